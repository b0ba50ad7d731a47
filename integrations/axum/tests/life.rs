//! A service on axum from its start to its end, as the registry and its callers see it.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]
#![expect(clippy::disallowed_methods, reason = "the test is the caller beside the server, and holds the watch")]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use nacrite_axum::register::{
    Farewell, LeaveReason, LeaveStep, Probe, RegisterSettings, Registrar, RegistrarHandle, RegistrarState, ServeError,
};
use nacrite_client::{Client, ServerAddress};
use nacrite_testkit::Node;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn client_of(node: &Node) -> Client {
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    let builder = Client::builder().server_list([main.with_grpc_port(node.clients.port())]);
    builder.build().expect("a good description")
}

fn registrar_of(client: &Client, settings: RegisterSettings) -> Registrar {
    Registrar::with_client(client, settings).expect("good settings")
}

/// Little waiting: what is tested is the order, not the length.
fn quick(service: &str) -> RegisterSettings {
    RegisterSettings::new(service).bounds(|bounds| bounds.drain_wait = Duration::from_millis(300))
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("a bound socket has an address");
    (listener, at)
}

type Served = JoinHandle<Result<Farewell, ServeError>>;

fn start(task: impl Future<Output = Result<Farewell, ServeError>> + Send + 'static) -> Served {
    tokio::task::spawn(task)
}

async fn ended(served: Served) -> Result<Farewell, ServeError> {
    tokio::time::timeout(PATIENCE, served).await.expect("it ends").expect("no panic")
}

async fn until(handle: &RegistrarHandle, enough: impl Fn(&RegistrarState) -> bool) {
    let mut state = handle.state();
    let waited = tokio::time::timeout(PATIENCE, state.wait_for(|state| enough(state))).await;
    assert!(waited.is_ok(), "in vain: {handle:?}");
}

/// Ports under which the registry shows a service to a new caller.
async fn registered(client: &Client, service: &str) -> Vec<u16> {
    let list = client.naming().query(service).await.expect("a list");
    list.iter().map(|instance| instance.port()).collect()
}

#[tokio::test]
async fn a_service_is_in_the_registry_only_while_it_answers() {
    let node = Node::start().await;
    let (client, observer) = (client_of(&node), client_of(&node));
    let is_warm = Arc::new(AtomicBool::new(false));
    let warm = Arc::clone(&is_warm);
    let app =
        Router::new().route("/", get(move || async move { if warm.load(Ordering::SeqCst) { "warm" } else { "cold" } }));
    let (go, gate) = tokio::sync::oneshot::channel::<()>();
    let registrar = registrar_of(&client, quick("orders")).ready_when(gate);
    let handle = registrar.handle();
    let app = app.route("/health", nacrite_axum::health(&registrar));
    let (listener, at) = listener().await;
    let served = start(nacrite_axum::serve(listener, app, registrar));

    // It answers, and is not ready: nobody is told of it.
    until(&handle, |state| state.to_string().contains("the program is not ready")).await;
    let url = |path: &str| format!("http://{at}{path}");
    let asked = |path: &str| reqwest::get(url(path));
    assert_eq!(asked("/").await.expect("it answers").text().await.expect("a text"), "cold");
    assert_eq!(asked("/health").await.expect("it answers").status(), 503);
    assert!(registered(&observer, "orders").await.is_empty());

    is_warm.store(true, Ordering::SeqCst);
    go.send(()).expect("it waits");
    until(&handle, RegistrarState::is_ready).await;
    assert_eq!(registered(&observer, "orders").await, [at.port()]);
    assert_eq!(asked("/health").await.expect("it answers").status(), 200);

    // From the first moment of leaving on: whoever finds it in the registry can connect to it.
    let watched = tokio::task::spawn(async move {
        let mut refused_first = None;
        loop {
            let is_listed = !registered(&observer, "orders").await.is_empty();
            let is_open = TcpStream::connect(at).await.is_ok();
            if !is_open {
                refused_first.get_or_insert(is_listed);
                observer.close().await;
                return refused_first;
            }
        }
    });
    handle.leave();
    let farewell = ended(served).await.expect("it left in order");
    assert_eq!((farewell.reason, farewell.dropped, farewell.is_late), (LeaveReason::Call, 0, false));
    assert_eq!(watched.await.expect("no panic"), Some(false), "refused while it was listed");
    assert!(farewell.took >= Duration::from_millis(300), "{farewell:?}");
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_request_that_never_ends_is_dropped_in_time_and_counted() {
    let node = Node::start().await;
    let client = client_of(&node);
    let (dropped, mut on_drop) = tokio::sync::mpsc::channel::<()>(1);
    let (begun, mut on_begin) = tokio::sync::mpsc::channel(1);
    let hang = move || {
        let (dropped, begun) = (dropped.clone(), begun.clone());
        async move {
            begun.send(()).await.expect("the test waits");
            let _dropped = dropped;
            std::future::pending::<&'static str>().await
        }
    };
    let app = Router::new().route("/", get(|| async { "quick" })).route("/hang", get(hang));
    let settings = quick("orders").bounds(|bounds| bounds.drain_within = Duration::from_millis(300));
    let registrar = registrar_of(&client, settings);
    let handle = registrar.handle();
    let (listener, at) = listener().await;
    let served = start(nacrite_axum::serve(listener, app, registrar));
    until(&handle, RegistrarState::is_ready).await;
    let caller = tokio::task::spawn(reqwest::get(format!("http://{at}/hang")));
    on_begin.recv().await.expect("the request is there");
    let began = std::time::Instant::now();
    handle.leave();
    let farewell = ended(served).await.expect("it left");
    assert_eq!((farewell.dropped, farewell.is_late), (1, true));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(caller.await.expect("no panic").is_err(), "there was no answer");
    let is_gone = tokio::time::timeout(PATIENCE, on_drop.recv()).await;
    assert_eq!(is_gone.expect("the handler is dropped"), None);
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn what_is_under_way_is_finished() {
    let node = Node::start().await;
    let client = client_of(&node);
    let (begun, mut on_begin) = tokio::sync::mpsc::channel(1);
    let finish = Arc::new(tokio::sync::Notify::new());
    let finished = Arc::clone(&finish);
    let slow = move || {
        let (begun, finished) = (begun.clone(), Arc::clone(&finished));
        async move {
            begun.send(()).await.expect("the test waits");
            finished.notified().await;
            "finished"
        }
    };
    let registrar = registrar_of(&client, quick("orders"));
    let handle = registrar.handle();
    let (listener, at) = listener().await;
    let served =
        start(nacrite_axum::serve(listener, Router::new().route("/", get(slow)), registrar.probe(Probe::Connect)));
    until(&handle, RegistrarState::is_ready).await;
    let caller = tokio::task::spawn(reqwest::get(format!("http://{at}/")));
    on_begin.recv().await.expect("the request is there");
    handle.leave();
    until(&handle, |state| matches!(state, RegistrarState::Leaving { step: LeaveStep::Draining, .. })).await;
    finish.notify_one();
    let answer = caller.await.expect("no panic").expect("an answer");
    assert_eq!(answer.text().await.expect("a text"), "finished");
    assert_eq!(ended(served).await.expect("it left").dropped, 0);
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn handlers_that_do_not_answer_are_not_registered() {
    let node = Node::start().await;
    let client = client_of(&node);
    let app = Router::new().route("/", get(std::future::pending::<&'static str>));
    let settings = quick("orders").bounds(|bounds| {
        bounds.ready_within = Duration::from_millis(1500);
        bounds.drain_within = Duration::from_millis(100);
    });
    let registrar = registrar_of(&client, settings);
    let (listener, _) = listener().await;
    let error = ended(start(nacrite_axum::serve(listener, app, registrar))).await.expect_err("it is never ready");
    assert!(matches!(&error, ServeError::NotReady(why) if why.contains("no answer within 1000 ms")), "{error}");
    assert!(registered(&client, "orders").await.is_empty());
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn who_asks_is_known_and_http_2_is_spoken() {
    let node = Node::start().await;
    let client = client_of(&node);
    let app = Router::new()
        .route("/", get(|ConnectInfo(from): ConnectInfo<SocketAddr>| async move { from.ip().to_string() }));
    let registrar = registrar_of(&client, quick("orders"));
    let handle = registrar.handle();
    let (listener, at) = listener().await;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let served = start(nacrite_axum::serve(listener, app, registrar));
    until(&handle, RegistrarState::is_ready).await;
    let answer = reqwest::get(format!("http://{at}/")).await.expect("it answers");
    assert_eq!(answer.text().await.expect("a text"), "127.0.0.1");
    let instance = handle.instance().expect("it is registered");
    assert_eq!(instance.metadata().get("framework"), Some("axum 0.8"));
    handle.leave();
    ended(served).await.expect("it left");
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn two_ports_of_one_service_are_registered_beside_each_other() {
    let node = Node::start().await;
    let (client, observer) = (client_of(&node), client_of(&node));
    let (first, second) = (listener().await, listener().await);
    let one = registrar_of(&client, quick("orders"));
    let other = one.beside(quick("orders")).expect("good settings");
    let handles = [one.handle(), other.handle()];
    let app = || Router::new().route("/", get(|| async { "hello" }));
    let served = [start(nacrite_axum::serve(first.0, app(), one)), start(nacrite_axum::serve(second.0, app(), other))];
    for handle in &handles {
        until(handle, RegistrarState::is_ready).await;
    }
    let mut ports = registered(&observer, "orders").await;
    ports.sort_unstable();
    let mut expected = [first.1.port(), second.1.port()];
    expected.sort_unstable();
    assert_eq!(ports, expected);
    handles[0].leave();
    for served in served {
        ended(served).await.expect("it left");
    }
    assert!(registered(&observer, "orders").await.is_empty());
    for client in [client, observer] {
        client.close().await;
    }
    node.stop().await;
}
