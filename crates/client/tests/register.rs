//! A server and its registration, against a scripted registry: what is asked of the registry, when, and how it ends.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]
#![expect(clippy::disallowed_methods, reason = "the test is the caller beside the server, and holds the watch")]

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nacrite_client::register::{
    Farewell, LeaveReason, Lifecycle, Listening, Probe, RegisterSettings, Registrar, RegistrarHandle, RegistrarState,
    ServeError, Standing, Stop,
};
use nacrite_client::testkit::{Reply, ScriptedServer};
use nacrite_client::{Client, Error, ServerAddress, Transport};
use nacrite_testkit::Node;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinHandle;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn client_of(server: &ScriptedServer) -> Client {
    Client::builder().server_list([server.address()]).build().expect("a good description")
}

fn at() -> SocketAddr {
    "127.0.0.1:18080".parse().expect("an address")
}

fn listening() -> Listening {
    Listening::at(at()).framework("test", "1.0").probe(Probe::Nothing)
}

/// Little waiting: what is tested is the order, not the length.
fn quick() -> RegisterSettings {
    RegisterSettings::new("orders").bounds(|bounds| bounds.drain_wait = Duration::from_millis(50))
}

/// A server that serves nobody and stops when it is told.
async fn obedient(stop: Stop) -> Result<(), Infallible> {
    stop.stopping().await;
    Ok(())
}

/// A server with a request that never ends.
async fn stubborn(_: Stop) -> Result<(), Infallible> {
    std::future::pending().await
}

type Served = JoinHandle<Result<Farewell, ServeError>>;

fn start<F>(registrar: Registrar, serve: impl FnOnce(Stop) -> F + Send + 'static) -> (RegistrarHandle, Served)
where
    F: Future<Output = Result<(), Infallible>> + Send + 'static,
{
    let handle = registrar.handle();
    (handle, tokio::task::spawn(registrar.run(listening(), serve)))
}

async fn ended(served: Served) -> Result<Farewell, ServeError> {
    tokio::time::timeout(PATIENCE, served).await.expect("it ends").expect("no panic")
}

async fn until(handle: &RegistrarHandle, enough: impl Fn(&RegistrarState) -> bool) {
    let mut state = handle.state();
    let waited = tokio::time::timeout(PATIENCE, state.wait_for(|state| enough(state))).await;
    assert!(waited.is_ok(), "in vain: {handle:?}");
}

/// What was asked about instances: the kind of request and the instance in it.
fn asked(server: &ScriptedServer) -> Vec<(String, Value)> {
    let of = |seen: nacrite_client::testkit::Seen| {
        (seen.body["type"].as_str().unwrap_or_default().to_owned(), seen.body["instance"].clone())
    };
    server.seen(Some("InstanceRequest")).into_iter().map(of).collect()
}

#[tokio::test]
async fn an_instance_is_described_by_settings_framework_and_hooks() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let settings =
        quick().group("shop").cluster("blue").weight(2.0).metadata("zone", "a").metadata("framework", "mine");
    let settings =
        settings.set("heart-beat-interval", "1s").expect("a setting").set("secure", "true").expect("a setting");
    let settings = settings.set("management.server.port", "9000").expect("a setting");
    let registrar = Registrar::with_client(&client, settings).expect("good settings").metadata("zone", "b");
    let registrar = registrar.before_register(|instance| async { Ok(instance.metadata("build", "4711")) });
    let (handle, served) = start(registrar, obedient);
    until(&handle, RegistrarState::is_ready).await;
    let seen = server.until_seen("InstanceRequest", |_| true).await;
    assert_eq!((seen.body["serviceName"].as_str(), seen.body["groupName"].as_str()), (Some("orders"), Some("shop")));
    let instance = &seen.body["instance"];
    assert_eq!((instance["ip"].as_str(), instance["port"].as_u64()), (Some("127.0.0.1"), Some(18080)));
    assert_eq!((instance["weight"].as_f64(), instance["clusterName"].as_str()), (Some(2.0), Some("blue")));
    let metadata = |key: &str| instance["metadata"][key].as_str();
    for (key, value) in [
        ("preserved.register.source", "RUST"),
        ("preserved.heart.beat.interval", "1000"),
        ("management.port", "9000"),
        ("secure", "true"),
        ("zone", "a"),
        ("framework", "mine"),
        ("build", "4711"),
    ] {
        assert_eq!(metadata(key), Some(value), "{key}");
    }
    assert!(metadata("start.time").and_then(|ms| ms.parse::<u64>().ok()).is_some_and(|ms| ms > 1_600_000_000_000));
    handle.leave();
    ended(served).await.expect("it left in order");
    client.close().await;
}

#[tokio::test]
async fn hooks_run_in_their_order_and_once() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let told = Arc::clone(&told);
        move || told.lock().push(what)
    };
    let (first, second, after, before, end) =
        (note("shape 1"), note("shape 2"), note("registered"), note("leaving"), note("left"));
    let (asked_for, taken_back) = (note("asked for"), note("taken back"));
    server.on("InstanceRequest", move |body| {
        if body["type"] == "registerInstance" {
            asked_for();
        } else {
            taken_back();
        }
        Reply::Done(serde_json::json!({}))
    });
    let registrar = Registrar::with_client(&client, quick()).expect("good settings");
    let registrar = registrar.before_register(|instance| async move {
        first();
        Ok(instance)
    });
    let registrar = registrar.before_register(|instance| async move {
        second();
        Ok(instance)
    });
    let registrar = registrar.after_register(|_| async move { after() }).before_leave(|_| async move { before() });
    let registrar = registrar.after_leave(|instance| async move {
        assert_eq!(instance.to_string(), "127.0.0.1:18080");
        end();
    });
    let (handle, served) = start(registrar, obedient);
    until(&handle, RegistrarState::is_ready).await;
    // A registration that is made again on another connection is no reason to tell it again.
    server.cut();
    server.until_seen("InstanceRequest", |seen| seen.connection > 1).await;
    until(&handle, |state| matches!(state, RegistrarState::Running(Standing::Registered))).await;
    handle.leave();
    handle.leave();
    ended(served).await.expect("it left in order");
    let mut told = told.lock().clone();
    told.dedup();
    let expected = ["shape 1", "shape 2", "asked for", "registered", "asked for", "leaving", "taken back", "left"];
    assert_eq!(told, expected);
    client.close().await;
}

#[tokio::test]
async fn a_hook_that_refuses_ends_the_server_before_anything_is_asked() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let registrar = Registrar::with_client(&client, quick()).expect("good settings");
    let registrar = registrar.before_register(|_| async { Err("not today".into()) });
    let (_, served) = start(registrar, obedient);
    let error = ended(served).await.expect_err("the hook refuses");
    assert!(matches!(&error, ServeError::Hook(why) if why == "not today"), "{error}");
    assert!(asked(&server).is_empty());
    client.close().await;
}

#[tokio::test]
async fn who_fails_fast_ends_with_the_reason_and_takes_back_what_may_have_come_through() {
    let server = ScriptedServer::start().await;
    server.on("InstanceRequest", |body| match body["type"].as_str() {
        Some("registerInstance") => Reply::Failed { code: 403, message: "not for you".into() },
        _ => Reply::Done(serde_json::json!({})),
    });
    let client = client_of(&server);
    let (handle, served) = start(Registrar::with_client(&client, quick()).expect("good settings"), obedient);
    let error = ended(served).await.expect_err("the server refuses");
    assert!(error.to_string().contains("not for you"), "{error}");
    assert!(handle.state().borrow().is_closed());
    server.stop().await;

    let settings = quick().bounds(|bounds| bounds.register_within = Duration::from_millis(300));
    let (_, served) = start(Registrar::with_client(&client, settings).expect("good settings"), obedient);
    let began = Instant::now();
    let error = ended(served).await.expect_err("there is no server");
    assert!(matches!(error, ServeError::NotRegistered(_)), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    client.close().await;
}

#[tokio::test]
async fn who_keeps_trying_serves_meanwhile_and_is_registered_when_the_registry_is_there() {
    let server = ScriptedServer::start().await;
    server.stop().await;
    let client = client_of(&server);
    let (handle, served) =
        start(Registrar::with_client(&client, quick().keep_trying()).expect("good settings"), obedient);
    until(&handle, |state| matches!(state, RegistrarState::Registering { reason: Some(_) })).await;
    assert!(!handle.state().borrow().is_ready());
    server.start_again().await;
    until(&handle, |state| matches!(state, RegistrarState::Running(Standing::Registered))).await;

    // The registry goes: the server stays ready, and says what is wrong. It comes back: registered again.
    server.stop().await;
    until(&handle, |state| matches!(state, RegistrarState::Running(Standing::Retrying { .. }))).await;
    assert!(handle.state().borrow().is_ready());
    server.start_again().await;
    until(&handle, |state| matches!(state, RegistrarState::Running(Standing::Registered))).await;
    handle.leave();
    ended(served).await.expect("it left in order");
    client.close().await;
}

#[tokio::test]
async fn leaving_takes_no_longer_than_its_bound_with_the_registry_away_and_a_request_that_never_ends() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let settings = quick().bounds(|bounds| {
        bounds.deregister_within = Duration::from_millis(200);
        bounds.drain_within = Duration::from_secs(60);
        bounds.stop_within = Duration::from_secs(1);
    });
    let (handle, served) = start(Registrar::with_client(&client, settings).expect("good settings"), stubborn);
    until(&handle, RegistrarState::is_ready).await;
    // Not closed, but silent: the removal is asked for and never answered.
    server.freeze();
    let began = Instant::now();
    handle.leave();
    let farewell = ended(served).await.expect("it left");
    let took = began.elapsed();
    assert!(farewell.is_late, "{farewell:?}");
    assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&took), "{took:?}");
    server.thaw();
    client.close().await;
}

#[tokio::test]
async fn told_twice_it_ends_at_once() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let settings = quick().bounds(|bounds| bounds.drain_wait = Duration::from_secs(60));
    let (handle, served) = start(Registrar::with_client(&client, settings).expect("good settings"), stubborn);
    until(&handle, RegistrarState::is_ready).await;
    handle.leave();
    until(&handle, |state| matches!(state, RegistrarState::Leaving { .. })).await;
    let began = Instant::now();
    handle.leave_at_once();
    ended(served).await.expect("it left");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    client.close().await;
}

#[tokio::test]
async fn several_servers_leave_together_and_the_last_one_closes_the_client() {
    let server = ScriptedServer::start().await;
    let address = server.address();
    let settings = quick().servers(format!("127.0.0.1:{}", address.grpc_port() - 1000));
    let web = Registrar::connect(settings).expect("good settings");
    let grpc = web.beside(RegisterSettings::new("orders-grpc")).expect("good settings");
    let (web_handle, web) = start(web, obedient);
    let (grpc_handle, grpc) = start(grpc, obedient);
    until(&web_handle, RegistrarState::is_ready).await;
    until(&grpc_handle, RegistrarState::is_ready).await;
    grpc_handle.leave();
    for served in [web, grpc] {
        assert_eq!(ended(served).await.expect("it left").reason, LeaveReason::Call);
    }
    let removed = asked(&server).iter().filter(|(kind, _)| kind == "deregisterInstance").count();
    assert_eq!(removed, 2);
    server.until(|counts| counts.open == 0).await;
}

#[tokio::test]
async fn a_client_of_the_program_stays_open() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let lifecycle = Lifecycle::without_signals();
    let registrar = Registrar::with_client(&client, quick()).expect("good settings").lifecycle(&lifecycle);
    let (handle, served) = start(registrar, obedient);
    until(&handle, RegistrarState::is_ready).await;
    lifecycle.leave();
    ended(served).await.expect("it left");
    client.check(PATIENCE).await.expect("it is open");
    client.close().await;
}

#[tokio::test]
async fn changes_hold_before_and_after_registration_and_over_reconnects() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let (go, gate) = tokio::sync::oneshot::channel::<()>();
    let registrar = Registrar::with_client(&client, quick().disabled()).expect("good settings").ready_when(gate);
    let (handle, served) = start(registrar, obedient);
    handle.set_weight(3.0).await.expect("it is kept for later");
    assert!(matches!(handle.set_weight(-1.0).await, Err(Error::Invalid(_))));
    go.send(()).expect("it waits");
    until(&handle, RegistrarState::is_ready).await;
    handle.set_enabled(true).await.expect("the registry takes it");
    handle.update_metadata([("zone", "b")]).await.expect("the registry takes it");
    assert!(matches!(handle.set_weight(f64::NAN).await, Err(Error::Invalid(_))));
    server.cut();
    let again = server.until_seen("InstanceRequest", |seen| seen.connection > 1).await;
    let instance = &again.body["instance"];
    let zone = instance["metadata"]["zone"].as_str();
    assert_eq!((instance["weight"].as_f64(), instance["enabled"].as_bool(), zone), (Some(3.0), Some(true), Some("b")));
    handle.leave();
    ended(served).await.expect("it left");
    let late = handle.set_weight(1.0).await;
    assert!(matches!(late, Err(Error::Invalid(_))), "{late:?}");
    client.close().await;
}

#[tokio::test]
async fn who_does_not_want_to_be_registered_serves_and_asks_for_nothing() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let (handle, served) =
        start(Registrar::with_client(&client, quick().unregistered()).expect("good settings"), obedient);
    until(&handle, |state| matches!(state, RegistrarState::Running(Standing::NotWanted))).await;
    handle.leave();
    let farewell = ended(served).await.expect("it left");
    assert!(asked(&server).is_empty());
    assert!(farewell.took < Duration::from_secs(3), "nobody is waited for: {farewell:?}");
    client.close().await;
}

/// Spring's starters leave these behind: they ask for an ephemeral one to be removed.
#[tokio::test]
async fn a_persistent_instance_is_taken_back_too() {
    let node = Node::start().await;
    for transport in [Transport::Grpc, Transport::Http] {
        let main: ServerAddress = node.http.to_string().parse().expect("an address");
        let builder = Client::builder().server_list([main.with_grpc_port(node.clients.port())]).transport(transport);
        let client = builder.build().expect("a good description");
        let listed = async || client.naming().query("orders").await.expect("a list").len();
        for settings in [quick().persistent(), quick().persistent().keep_trying()] {
            let registrar = Registrar::with_client(&client, settings).expect("good settings");
            let (handle, served) = start(registrar, obedient);
            until(&handle, RegistrarState::is_ready).await;
            assert_eq!(listed().await, 1);
            handle.set_weight(2.0).await.expect("the registry takes it");
            handle.leave();
            ended(served).await.expect("it left");
            assert_eq!(listed().await, 0);
        }
        // A service is of one kind for as long as it has instances or subscribers; this one has neither now.
        client.close().await;
    }
    node.stop().await;
}

#[tokio::test]
async fn over_http_it_is_registered_and_taken_back_as_well() {
    let node = Node::start().await;
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    let builder = Client::builder().server_list([main.with_grpc_port(1)]).transport(Transport::Http);
    let client = builder.build().expect("a good description");
    let listed = async || client.naming().query("orders").await.expect("a list").len();
    let (handle, served) = start(Registrar::with_client(&client, quick()).expect("good settings"), obedient);
    until(&handle, RegistrarState::is_ready).await;
    assert_eq!(listed().await, 1);
    handle.leave();
    ended(served).await.expect("it left");
    assert_eq!(listed().await, 0);
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_server_that_fails_is_taken_back_and_its_error_told() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let registrar = Registrar::with_client(&client, quick()).expect("good settings");
    let handle = registrar.handle();
    let (fail, failing) = tokio::sync::oneshot::channel::<()>();
    let serve = |_| async move {
        failing.await.ok();
        Err("out of order")
    };
    let served = tokio::task::spawn(registrar.run(listening(), serve));
    until(&handle, RegistrarState::is_ready).await;
    fail.send(()).expect("it serves");
    let error = ended(served).await.expect_err("it failed");
    assert!(error.to_string().contains("out of order"), "{error}");
    assert_eq!(asked(&server).last().map(|(kind, _)| kind.as_str()), Some("deregisterInstance"));
    client.close().await;
}

#[tokio::test]
async fn what_the_program_waits_for_begins_at_once_and_its_failure_ends_the_server() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let (begin, begun) = tokio::sync::oneshot::channel();
    let registrar = Registrar::with_client(&client, quick()).expect("good settings");
    // The address is never answered: nobody listens there.
    let registrar = registrar.probe(Probe::Connect).ready_when(async {
        begin.send(()).expect("the test waits");
        std::future::pending::<Result<(), Infallible>>().await
    });
    let registrar = registrar.ready_when(async {
        begun.await.expect("it began");
        Err("no cache to fill")
    });
    let (_, served) = start(registrar, obedient);
    let error = ended(served).await.expect_err("it is never ready");
    assert!(matches!(&error, ServeError::NotReady(why) if why == "no cache to fill"), "{error}");
    client.close().await;
}

#[tokio::test]
async fn who_loses_a_server_leaves_with_it() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    let web = Registrar::with_client(&client, quick()).expect("good settings");
    let grpc = web.beside(RegisterSettings::new("orders-grpc")).expect("good settings");
    let grpc = grpc.before_register(|_| async { Err("not today".into()) });
    let ((_, web), (_, grpc)) = (start(web, obedient), start(grpc, obedient));
    assert!(matches!(ended(grpc).await, Err(ServeError::Hook(_))));
    ended(web).await.expect("it left in order");
    client.close().await;
}

#[tokio::test]
async fn settings_that_no_server_takes_are_refused_before_anything_runs() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    for bad in [
        RegisterSettings::default(),
        RegisterSettings::new("a b"),
        quick().cluster("a/b"),
        quick().weight(f64::NAN),
        quick().metadata("k", "v".repeat(2000)),
        quick().group("no group"),
    ] {
        let refused = Registrar::with_client(&client, bad.clone());
        assert!(matches!(refused, Err(Error::Invalid(_))), "{bad:?}");
    }
    client.close().await;
}
