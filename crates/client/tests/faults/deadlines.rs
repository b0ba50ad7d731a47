//! No call outlives its time, whatever the way to the server does.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use nacrite_client::naming::{Instance, Selector};
use nacrite_client::testkit::{Admission, Reply, ScriptedServer};
use nacrite_client::{Client, Error, ServerAddress, Transport};
use serde_json::json;
use tokio::net::TcpListener;

use crate::clock::{self, VirtualTime};
use crate::proxy::{Front, Proxy, Way};

/// How much later than promised a call may return.
const LATE_MAX: Duration = Duration::from_millis(50);

/// What is promised.
const WITHIN: [Duration; 2] = [Duration::from_millis(150), Duration::from_secs(2)];

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Every request that a client makes of its own accord.
const REQUESTS: [&str; 12] = [
    "BatchInstanceRequest",
    "ConfigBatchListenRequest",
    "ConfigPublishRequest",
    "ConfigQueryRequest",
    "ConfigRemoveRequest",
    "HealthCheckRequest",
    "InstanceRequest",
    "LockOperationRequest",
    "PersistentInstanceRequest",
    "ServiceListRequest",
    "ServiceQueryRequest",
    "SubscribeServiceRequest",
];

/// What happens to a server or to the way there.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The server neither reads nor writes.
    Frozen,
    /// Nothing is passed on.
    Stalled,
    /// Every piece is passed on late.
    Slow,
    /// Connections are reset, and refused from then on.
    Refused,
    /// Answers come late.
    LateAnswers,
    /// No answers come.
    Silence,
    /// Each request ends the connection.
    Cuts,
    /// Each request is reset.
    Resets,
    /// Each request is answered by a status of gRPC.
    Unavailable,
    /// No request is from a client that the server knows.
    Unknown,
    /// The server is starting.
    Starting,
    /// The connection is lost, and no other one is let in.
    Full,
    /// The connection is lost, and the next introductions are overheard.
    Deaf,
    /// Answers cannot be read.
    Gibberish,
}

const FAULTS: [Fault; 14] = [
    Fault::Frozen,
    Fault::Stalled,
    Fault::Slow,
    Fault::Refused,
    Fault::LateAnswers,
    Fault::Silence,
    Fault::Cuts,
    Fault::Resets,
    Fault::Unavailable,
    Fault::Unknown,
    Fault::Starting,
    Fault::Full,
    Fault::Deaf,
    Fault::Gibberish,
];

impl Fault {
    async fn happen(self, server: &ScriptedServer, front: &Front) {
        let all = |reply: Reply| {
            for wire_type in REQUESTS {
                let reply = reply.clone();
                server.on(wire_type, move |_| reply.clone());
            }
        };
        let lost = |admission| {
            server.change(|behaviour| behaviour.admission = admission);
            server.cut();
        };
        match self {
            Self::Frozen => server.freeze(),
            Self::Stalled => front.become_(Way::Stalled),
            Self::Slow => front.become_(Way::Slow(Duration::from_millis(700))),
            Self::Refused => front.refuse().await,
            Self::LateAnswers => server.change(|behaviour| behaviour.answers_after = Duration::from_secs(60)),
            Self::Silence => all(Reply::Silence),
            Self::Cuts => all(Reply::Cut),
            Self::Resets => all(Reply::Reset),
            Self::Unavailable => all(Reply::Status(14, "not now")),
            Self::Unknown => all(Reply::Error { code: 301, message: "who are you".to_owned() }),
            Self::Starting => all(Reply::Error { code: 300, message: "not yet".to_owned() }),
            Self::Full => lost(Admission::Full),
            Self::Deaf => lost(Admission::Deaf),
            Self::Gibberish => all(Reply::Raw("InstanceResponse", b"{\"resultCode\":[[".to_vec())),
        }
    }
}

type Call<'a> = (&'static str, BoxFuture<'a, Result<(), Error>>);

fn call<'a, T>(name: &'static str, call: impl Future<Output = Result<T, Error>> + Send + 'a) -> Call<'a> {
    (name, Box::pin(async move { call.await.map(drop) }))
}

/// Every call that is bounded.
fn calls(client: &Client, within: Duration) -> Vec<Call<'_>> {
    let (naming, configs, maintainer) = (client.naming(), client.config(), client.maintainer());
    let instance = |port| Instance::builder("10.0.0.1", port);
    let locks = client.locks();
    let mut calls = vec![
        call("ready", client.ready(within)),
        call("register", naming.register("a", instance(80))),
        call("register_all", naming.register_all("b", [instance(81), instance(82)])),
        call("register a persistent one", naming.register("c", instance(83).persistent())),
        call("deregister", naming.deregister("held", instance(84))),
        call("deregister a persistent one", naming.deregister("d", instance(85).persistent())),
        call("deregister_all", naming.deregister_all("held-too")),
        call("query", naming.query("e")),
        call("instances", naming.instances("f")),
        call("select_healthy", naming.select_healthy("g")),
        call("select_one", naming.select_one("h")),
        call("services", naming.services("DEFAULT_GROUP", 1, 10)),
        call("all_services", naming.all_services("DEFAULT_GROUP")),
        call("get", configs.get("a")),
        call("get_tagged", configs.get_tagged("a", "tag")),
        call("get_and_listen", configs.get_and_listen("b")),
        call("publish", configs.publish("c", "text").send()),
        call("publish under a condition", {
            let digest = nacrite_client::config::digest_of("text");
            async move { configs.publish("d", "text").only_if(&digest).send().await }
        }),
        call("remove", configs.remove("e")),
        call("acquire", async move { locks.acquire("lock", Duration::from_secs(1)).await }),
        call("service", {
            let maintainer = maintainer.clone();
            async move { maintainer.service("a").await }
        }),
        call("namespaces", async move { maintainer.namespaces().await }),
    ];
    if let Ok(subscription) = naming.subscribe("i", Selector::default()) {
        calls.push(call("resolved", async move { subscription.resolved(within).await }));
    }
    if let Ok(registration) = naming.register_in_background("j", instance(86)) {
        calls.push(call("registered", async move { registration.registered(within).await }));
    }
    if let Ok(watch) = naming.watch_services("*", "*") {
        calls.push(call("active", async move { watch.active(within).await }));
    }
    calls
}

/// Makes every call at once and sees that each returns in time. Returns how many failed.
async fn all_in_time(client: &Client, within: Duration, what: &str) -> usize {
    let made = calls(client, within).into_iter().map(|(name, call)| async move {
        let began = clock::now();
        let made = call.await;
        let took = began.elapsed();
        assert!(took <= within + LATE_MAX, "{what}: {name} took {took:?} of {within:?}: {made:?}");
        usize::from(made.is_err())
    });
    join_all(made).await.into_iter().sum()
}

/// A server with a way to it, and HTTP that takes connections and says nothing.
async fn world() -> (ScriptedServer, Front, TcpListener) {
    let server = ScriptedServer::start().await;
    let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let grpc = SocketAddr::from((Ipv4Addr::LOCALHOST, server.address().grpc_port()));
    let front = Front::to(http.local_addr().expect("it is bound"), grpc).await;
    (server, front, http)
}

fn client_of(address: ServerAddress, within: Duration, transport: Transport) -> Client {
    let builder = Client::builder().server_list([address]).request_within(within).transport(transport);
    builder.build().expect("a good description")
}

#[tokio::test]
async fn no_call_outlives_its_time_on_a_connection_that_meets_a_fault() {
    for within in WITHIN {
        for fault in FAULTS {
            let (server, front, _http) = world().await;
            let client = client_of(front.address(), within, Transport::Grpc);
            client.config();
            client.naming();
            client.ready(PATIENCE).await.expect("a connection");
            for (service, port) in [("held", 84), ("held-too", 87)] {
                let held = client.naming().register_in_background(service, Instance::builder("10.0.0.1", port));
                held.expect("a good instance").registered(PATIENCE).await.expect("it registers");
            }
            fault.happen(&server, &front).await;
            let _time = VirtualTime::begin();
            let failed = all_in_time(&client, within, &format!("{fault:?}")).await;
            assert!(failed > 5, "{fault:?} hardly disturbs anybody: {failed} calls failed");
            let began = clock::now();
            client.close_within(within).await;
            assert!(began.elapsed() <= within + LATE_MAX, "{fault:?}: closing took {:?}", began.elapsed());
        }
    }
}

#[tokio::test]
async fn no_call_outlives_its_time_where_there_was_never_a_connection() {
    for within in WITHIN {
        for fault in FAULTS {
            let (server, front, _http) = world().await;
            fault.happen(&server, &front).await;
            let client = client_of(front.address(), within, Transport::Grpc);
            let _time = VirtualTime::begin();
            all_in_time(&client, within, &format!("{fault:?} from the beginning")).await;
            client.close_within(within).await;
        }
    }
}

#[tokio::test]
async fn no_call_outlives_its_time_over_http() {
    for within in WITHIN {
        for way in [Way::Open, Way::Stalled, Way::Slow(Duration::from_millis(700))] {
            let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
            let proxy = Proxy::to(silent.local_addr().expect("it is bound")).await;
            proxy.become_(way);
            let address: ServerAddress = format!("127.0.0.1:{}", proxy.port()).parse().expect("an address");
            let client = client_of(address, within, Transport::Http);
            let _time = VirtualTime::begin();
            let failed = all_in_time(&client, within, &format!("HTTP, {way:?}")).await;
            assert!(failed > 5, "{failed} calls failed");
            client.close_within(within).await;
        }
        let refusing = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = refusing.local_addr().expect("it is bound").port();
        drop(refusing);
        let client = client_of(format!("127.0.0.1:{port}").parse().expect("an address"), within, Transport::Http);
        let _time = VirtualTime::begin();
        all_in_time(&client, within, "HTTP, refused").await;
        client.close_within(within).await;
    }
}

/// What a server promises with its first words is not kept: the fault comes in the middle of an answer.
#[tokio::test]
async fn no_call_outlives_its_time_in_the_middle_of_an_answer() {
    let within = Duration::from_millis(500);
    let (server, front, _http) = world().await;
    let large = "x".repeat(4 << 20);
    server.on("ConfigQueryRequest", move |_| Reply::Done(json!({"content": large, "md5": "0"})));
    let client = client_of(front.address(), within, Transport::Grpc);
    client.config();
    client.ready(PATIENCE).await.expect("a connection");
    front.become_(Way::Slow(Duration::from_millis(50)));
    let _time = VirtualTime::begin();
    let began = clock::now();
    let got = client.config().get("large").await;
    assert!(began.elapsed() <= within + LATE_MAX, "{:?}", began.elapsed());
    assert!(got.is_err(), "4 MiB do not fit through in this time");
    client.close_within(within).await;
}
