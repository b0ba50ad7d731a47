//! A missing, `null`, extra or mistyped field in any message of a server: a default or a clear error, never a panic, and
//! never the end of a connection.
//!
//! First the readers alone, type by type; then whole clients, whose server says what is spoilt. Answers over HTTP and
//! packets over UDP are read inside the crate and spoilt there (`src/http/tests.rs`).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use nacrite_client::naming::{Instance, Selector};
use nacrite_client::testkit::{Reply, ScriptedServer};
use nacrite_client::{Client, Error, Phase};
use nacrite_wire::client::{self as wire, Answer};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::VirtualTime;
use crate::samples;
use crate::spoil::{Spoilt, ways};

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a call that is answered wrongly is waited for.
const ASK_WITHIN: Duration = Duration::from_millis(100);

/// The pause before something that failed is asked again, and a little.
const RIGHT_AGAIN: Duration = Duration::from_secs(4);

type Reader = fn(&[u8]) -> Result<(), String>;

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<(), String> {
    serde_json::from_slice::<T>(body).map(drop).map_err(|error| error.to_string())
}

fn answer<T: Answer>() -> (&'static str, Reader) {
    (T::TYPE, |body| {
        let answer: T = nacrite_wire::json::read(body).map_err(|error| error.to_string())?;
        // Whatever it says, it can be asked how it went.
        std::hint::black_box(answer.head().is_success());
        Ok(())
    })
}

/// Who reads what.
fn readers() -> Vec<(&'static str, Reader)> {
    use wire::{config, connection, fuzzy, lock, naming};
    vec![
        answer::<config::ConfigChangeBatchListenResponse>(),
        answer::<config::ConfigPublishResponse>(),
        answer::<config::ConfigQueryResponse>(),
        answer::<config::ConfigRemoveResponse>(),
        answer::<config::fuzzy::ConfigFuzzyWatchResponse>(),
        answer::<connection::HealthCheckResponse>(),
        answer::<connection::ServerCheckResponse>(),
        answer::<fuzzy::NamingFuzzyWatchResponse>(),
        answer::<lock::LockOperationResponse>(),
        answer::<naming::BatchInstanceResponse>(),
        answer::<naming::InstanceResponse>(),
        answer::<naming::QueryServiceResponse>(),
        answer::<naming::ServiceListResponse>(),
        answer::<naming::SubscribeServiceResponse>(),
        answer::<wire::ErrorResponse>(),
        ("ClientConfigMetricRequest", read::<wire::PushHead>),
        ("ClientDetectionRequest", read::<wire::PushHead>),
        ("ConfigChangeNotifyRequest", read::<config::ConfigChangeNotifyRequest>),
        ("ConfigFuzzyWatchChangeNotifyRequest", read::<config::fuzzy::ConfigFuzzyWatchChangeNotifyRequest>),
        ("ConfigFuzzyWatchSyncRequest", read::<config::fuzzy::ConfigFuzzyWatchSyncRequest>),
        ("ConnectResetRequest", read::<connection::ConnectResetRequest>),
        ("NamingFuzzyWatchChangeNotifyRequest", read::<fuzzy::NamingFuzzyWatchChangeNotifyRequest>),
        ("NamingFuzzyWatchSyncRequest", read::<fuzzy::NamingFuzzyWatchSyncRequest>),
        ("NotifySubscriberRequest", read::<naming::NotifySubscriberRequest>),
        ("SetupAckRequest", read::<connection::SetupAckRequest>),
    ]
}

/// Every good message, of both kinds.
fn good() -> Vec<(&'static str, Value)> {
    let answers = samples::answers().into_iter().map(|(_, wire_type, body)| (wire_type, body));
    answers.chain(samples::pushes()).collect()
}

#[test]
fn every_reader_takes_a_default_or_says_what_is_wrong() {
    let (readers, good) = (readers(), good());
    assert_eq!(readers.len(), good.len(), "a type has no reader, or no sample");
    for (wire_type, body) in &good {
        let (_, read) = readers.iter().find(|(named, _)| named == wire_type).expect("a reader");
        assert_eq!(read(body.to_string().as_bytes()), Ok(()), "{wire_type}");
        for (how, what, spoilt) in ways(body) {
            let said = read(spoilt.to_string().as_bytes());
            // A message that is nothing at all, and an item of a list that is nothing, may be refused.
            let is_field = !what.starts_with("the whole") && !what.contains("/0 is") && !what.contains("more in");
            match said {
                Ok(()) => {}
                Err(words) => {
                    assert!(!words.is_empty(), "{wire_type}: {what}");
                    assert!(how == Spoilt::Mistyped || !is_field, "{wire_type}, {what}: {words}");
                }
            }
        }
    }
}

/// What was scripted to be said, as it is now.
#[derive(Clone)]
struct Saying(Arc<Mutex<Vec<u8>>>);

impl Saying {
    /// From now on every request of this type is answered so.
    fn begin(server: &ScriptedServer, request: &'static str, answer: &'static str, body: &Value) -> Self {
        let saying = Self(Arc::new(Mutex::new(body.to_string().into_bytes())));
        let said = saying.clone();
        server.on(request, move |_| Reply::Raw(answer, said.0.lock().clone()));
        saying
    }

    fn say(&self, body: &Value) {
        *self.0.lock() = body.to_string().into_bytes();
    }
}

async fn connected(server: &ScriptedServer) -> Client {
    let builder = Client::builder().server_list([server.address()]).request_within(ASK_WITHIN);
    let client = builder.build().expect("a good description");
    client.config();
    client.naming();
    client.ready(PATIENCE).await.expect("a connection");
    client
}

/// The call that makes this request.
fn ask<'a>(client: &'a Client, request: &str) -> Option<BoxFuture<'a, Result<(), Error>>> {
    let (naming, configs) = (client.naming(), client.config());
    let instance = |port| Instance::builder("10.0.0.1", port);
    Some(match request {
        "BatchInstanceRequest" => Box::pin(async move {
            let registered = naming.register_all("both", [instance(80), instance(81)]).await.map(drop);
            naming.deregister_all("both").await.ok();
            registered
        }),
        "ConfigBatchListenRequest" => Box::pin(async move { configs.get_and_listen("x").await.map(drop) }),
        "ConfigPublishRequest" => Box::pin(async move { configs.publish("x", "a: 1").send().await.map(drop) }),
        "ConfigQueryRequest" => Box::pin(async move { configs.get("x").await.map(drop) }),
        "ConfigRemoveRequest" => Box::pin(async move { configs.remove("x").await }),
        "InstanceRequest" => Box::pin(async move {
            let registered = naming.register("one", instance(80)).await.map(drop);
            naming.deregister("one", instance(80)).await.ok();
            registered
        }),
        "ServiceListRequest" => Box::pin(async move { naming.all_services("DEFAULT_GROUP").await.map(drop) }),
        "ServiceQueryRequest" => Box::pin(async move { naming.query("orders").await.map(drop) }),
        "SubscribeServiceRequest" => Box::pin(async move {
            let subscription = naming.subscribe("orders", Selector::default())?;
            subscription.resolved(ASK_WITHIN).await.map(drop)
        }),
        _ => return None,
    })
}

#[tokio::test]
async fn a_spoilt_answer_harms_its_own_call_alone() {
    let server = ScriptedServer::start().await;
    let client = connected(&server).await;
    let states = [client.state().naming, client.state().config].map(|state| state.expect("it is asked for"));
    let before = states.each_ref().map(|state| state.borrow().generation);
    let _time = VirtualTime::begin();
    let mut asked = 0;
    for (request, answer, body) in samples::answers() {
        if ask(&client, request).is_none() {
            continue;
        }
        let saying = Saying::begin(&server, request, answer, &body);
        for (_, what, spoilt) in ways(&body) {
            saying.say(&spoilt);
            let made = ask(&client, request).expect("there is such a call");
            let made = tokio::time::timeout(PATIENCE, made).await;
            let made = made.unwrap_or_else(|_| panic!("{answer}, {what}: the call does not end"));
            if let Err(error) = made {
                assert!(!error.to_string().is_empty(), "{answer}, {what}");
            }
            asked += 1;
        }
        saying.say(&body);
        // What was spoilt last may still be waiting for its turn to be asked again.
        let again = async {
            while let Err(error) = ask(&client, request).expect("there is such a call").await {
                assert!(error.is_transient(), "{request} after all that: {error}");
            }
        };
        tokio::time::timeout(RIGHT_AGAIN, again).await.unwrap_or_else(|_| panic!("{request} does not work any more"));
    }
    assert!(asked > 1_000, "{asked}");
    let after = states.each_ref().map(|state| state.borrow().generation);
    assert_eq!(before, after, "a spoilt answer ended a connection");
    assert!(states.iter().all(|state| state.borrow().phase == Phase::Running));
    client.close_within(PATIENCE).await;
}

#[tokio::test]
async fn a_spoilt_push_is_answered_and_forgotten() {
    for (wire_type, body) in samples::pushes() {
        // One is not answered, the other one ends the connection: see below.
        if !matches!(wire_type, "SetupAckRequest" | "ConnectResetRequest") {
            spoil_pushes(wire_type, &body).await;
        }
    }
}

async fn spoil_pushes(wire_type: &'static str, body: &Value) {
    let server = ScriptedServer::start().await;
    server.on("SubscribeServiceRequest", |_| Reply::Done(json!({"serviceInfo": samples::service_info()})));
    let client = Client::builder().server_list([server.address()]).build().expect("a good description");
    let subscription = if wire_type.contains("Config") {
        client.config();
        None
    } else {
        Some(client.naming().subscribe("orders", Selector::default()).expect("a name"))
    };
    client.ready(PATIENCE).await.expect("a connection");
    if let Some(subscription) = &subscription {
        subscription.resolved(PATIENCE).await.expect("a list");
    }
    // What is no object carries no id, and its answer cannot be told from others.
    for (_, _, spoilt) in ways(body).into_iter().filter(|(_, _, spoilt)| spoilt.is_object()) {
        server.push(wire_type, spoilt).await;
    }
    for nothing in [json!(null), json!([]), json!(7), json!("text")] {
        server.send(wire_type, nothing);
    }
    server.push(wire_type, body.clone()).await;
    assert_eq!(server.counts().accepted, 1, "a spoilt {wire_type} ended a connection");
    if let Some(subscription) = &subscription {
        assert!(subscription.current().is_some(), "what was known is lost");
    }
    assert!(client.close_within(PATIENCE).await);
    server.until(|counts| counts.open == 0).await;
}

#[tokio::test]
async fn a_spoilt_wish_to_leave_is_a_wish_to_leave() {
    let server = ScriptedServer::start().await;
    let builder = Client::builder().server_list([server.address()]).link_settings(|settings| {
        (settings.pause_max, settings.handover) = (Duration::from_millis(1), Duration::from_millis(1));
    });
    let client = builder.build().expect("a good description");
    client.ready(PATIENCE).await.expect("a connection");
    let (_, reset) =
        samples::pushes().into_iter().find(|(named, _)| *named == "ConnectResetRequest").expect("a sample");
    for (_, what, spoilt) in ways(&reset).into_iter().filter(|(_, _, spoilt)| spoilt.is_object()) {
        let accepted = server.counts().accepted;
        server.push("ConnectResetRequest", spoilt).await;
        let moved = server.until(|counts| counts.accepted > accepted && (counts.open, counts.registered) == (1, 1));
        tokio::time::timeout(PATIENCE, moved).await.unwrap_or_else(|_| panic!("it stays, though {what}"));
    }
    assert!(client.close_within(PATIENCE).await);
}

/// A server that introduces itself wrongly is not adopted, or adopted without what it did not say; either way the next
/// one that does it right is.
#[tokio::test]
async fn a_spoilt_introduction_is_survived() {
    let server = ScriptedServer::start().await;
    let (request, answer, body) =
        samples::answers().into_iter().find(|(request, ..)| *request == "ServerCheckRequest").expect("a sample");
    let saying = Saying::begin(&server, request, answer, &body);
    let _time = VirtualTime::begin();
    for (_, what, spoilt) in ways(&body) {
        saying.say(&spoilt);
        let client = Client::builder().server_list([server.address()]).build().expect("a good description");
        if let Err(error) = client.ready(Duration::from_millis(300)).await {
            assert!(error.to_string().len() > "not connected".len(), "{what}: {error}");
        }
        saying.say(&body);
        client.ready(PATIENCE).await.unwrap_or_else(|error| panic!("after {what}: {error}"));
        client.close_within(PATIENCE).await;
    }
}

/// The acknowledgement of the introduction tells abilities; without it, or with nothing in it, nothing is known of them.
#[tokio::test]
async fn abilities_that_are_not_told_are_not_known() {
    for change in ["missing", "null"] {
        let server = ScriptedServer::start().await;
        server.change(|behaviour| match change {
            "missing" => behaviour.leaves_out.push("abilityTable".to_owned()),
            _ => behaviour.nulls.push("abilityTable".to_owned()),
        });
        let client = connected(&server).await;
        let watch = client.naming().watch_services("*", "*").expect("a pattern");
        // Whether the server can do it is asked of the server then; this one does not say no.
        watch.active(Duration::from_millis(500)).await.ok();
        client.naming().query("orders").await.err();
        client.ready(PATIENCE).await.expect("the connection stands");
        client.close_within(PATIENCE).await;
    }
}
