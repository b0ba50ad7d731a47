//! A service on actix-web from its start to its end, as the registry and its callers see it.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]
#![expect(clippy::disallowed_methods, reason = "the test is the caller beside the server, and holds the watch")]

use std::future::Future;
use std::time::{Duration, Instant};

use actix_rt::task::JoinHandle;
use actix_web::{App, HttpServer, web};
use nacrite_actix::WithNacos as _;
use nacrite_actix::register::{
    Farewell, LeaveReason, RegisterSettings, Registrar, RegistrarHandle, RegistrarState, ServeError,
};
use nacrite_client::{Client, ServerAddress};
use nacrite_testkit::Node;
use tokio::net::TcpStream;

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

type Served = JoinHandle<Result<Farewell, ServeError>>;

fn start(task: impl Future<Output = Result<Farewell, ServeError>> + 'static) -> Served {
    actix_rt::spawn(task)
}

async fn ended(served: Served) -> Result<Farewell, ServeError> {
    tokio::time::timeout(PATIENCE, served).await.expect("it ends").expect("no panic")
}

async fn until(handle: &RegistrarHandle, enough: impl Fn(&RegistrarState) -> bool) {
    let mut state = handle.state();
    let waited = tokio::time::timeout(PATIENCE, state.wait_for(|state| enough(state))).await;
    assert!(waited.is_ok(), "in vain: {handle:?}");
}

async fn registered(client: &Client, service: &str) -> Vec<u16> {
    let list = client.naming().query(service).await.expect("a list");
    list.iter().map(|instance| instance.port()).collect()
}

#[actix_web::test]
async fn a_service_is_in_the_registry_only_while_it_answers() {
    let node = Node::start().await;
    let (client, observer) = (client_of(&node), client_of(&node));
    let (go, gate) = tokio::sync::oneshot::channel::<()>();
    let registrar = registrar_of(&client, quick("orders")).ready_when(gate);
    let (handle, health) = (registrar.handle(), nacrite_actix::health(&registrar));
    let hello = || async { "hello" };
    let app = move || App::new().route("/", web::get().to(hello)).route("/health", web::get().to(health.clone()));
    let server = HttpServer::new(app).workers(2).bind("127.0.0.1:0").expect("a free port");
    let at = *server.addrs().first().expect("an address");
    let served = start(server.with_nacos(registrar));

    until(&handle, |state| state.to_string().contains("the program is not ready")).await;
    let asked = |path: &str| reqwest::get(format!("http://{at}{path}"));
    assert_eq!(asked("/").await.expect("it answers").text().await.expect("a text"), "hello");
    assert_eq!(asked("/health").await.expect("it answers").status(), 503);
    assert!(registered(&observer, "orders").await.is_empty());

    go.send(()).expect("it waits");
    until(&handle, RegistrarState::is_ready).await;
    assert_eq!(registered(&observer, "orders").await, [at.port()]);
    assert_eq!(asked("/health").await.expect("it answers").status(), 200);
    let instance = handle.instance().expect("it is registered");
    assert_eq!(instance.metadata().get("framework"), Some("actix-web 4"));

    let watched = actix_rt::spawn(async move {
        loop {
            let is_listed = !registered(&observer, "orders").await.is_empty();
            if TcpStream::connect(at).await.is_err() {
                observer.close().await;
                return is_listed;
            }
        }
    });
    handle.leave();
    let farewell = ended(served).await.expect("it left in order");
    assert_eq!((farewell.reason, farewell.is_late), (LeaveReason::Call, false));
    assert!(!watched.await.expect("no panic"), "refused while it was listed");
    client.close().await;
    node.stop().await;
}

#[actix_web::test]
async fn a_request_that_never_ends_does_not_keep_it_from_stopping() {
    let node = Node::start().await;
    let client = client_of(&node);
    let (hang, mut on_begin) = tokio::sync::mpsc::channel(1);
    let app = move || {
        let hang = hang.clone();
        let forever = move || {
            let hang = hang.clone();
            async move {
                hang.send(()).await.expect("the test waits");
                std::future::pending::<&'static str>().await
            }
        };
        App::new().route("/", web::get().to(|| async { "quick" })).route("/hang", web::get().to(forever))
    };
    let settings = quick("orders").bounds(|bounds| bounds.drain_within = Duration::from_millis(300));
    let registrar = registrar_of(&client, settings);
    let handle = registrar.handle();
    let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0").expect("a free port");
    let at = *server.addrs().first().expect("an address");
    let served = start(server.with_nacos(registrar));
    until(&handle, RegistrarState::is_ready).await;
    let caller = actix_rt::spawn(reqwest::get(format!("http://{at}/hang")));
    on_begin.recv().await.expect("the request is there");
    let began = Instant::now();
    handle.leave();
    let farewell = ended(served).await.expect("it left");
    assert!(farewell.is_late && began.elapsed() < Duration::from_secs(3), "{farewell:?} {:?}", began.elapsed());
    let failed = tokio::time::timeout(PATIENCE, caller).await.expect("the call ends").expect("no panic");
    assert!(failed.is_err(), "there was no answer");
    client.close().await;
    node.stop().await;
}

/// A server that stops leaves the system, and with it the others, alone.
#[actix_web::test]
async fn two_servers_of_one_program_leave_each_by_itself_or_together() {
    let node = Node::start().await;
    let client = client_of(&node);
    let server = || {
        let server = HttpServer::new(|| App::new().route("/", web::get().to(|| async { "hello" }))).workers(1);
        server.bind("127.0.0.1:0").expect("a free port")
    };
    let (first, second) = (registrar_of(&client, quick("first")), registrar_of(&client, quick("second")));
    let (one, other) = (first.handle(), second.handle());
    let (first_server, second_server) = (server(), server());
    let at = *second_server.addrs().first().expect("an address");
    let (first, second) = (start(first_server.with_nacos(first)), start(second_server.with_nacos(second)));
    until(&one, RegistrarState::is_ready).await;
    until(&other, RegistrarState::is_ready).await;
    one.leave();
    ended(first).await.expect("it left");
    let answer = reqwest::get(format!("http://{at}/")).await.expect("it answers");
    assert_eq!(answer.text().await.expect("a text"), "hello");
    other.leave_at_once();
    ended(second).await.expect("it left");
    client.close().await;
    node.stop().await;
}

#[actix_web::test]
async fn a_server_that_is_not_bound_is_told_so() {
    let node = Node::start().await;
    let client = client_of(&node);
    let error = HttpServer::new(App::new).with_nacos(registrar_of(&client, quick("orders"))).await;
    let error = error.expect_err("there is no port").to_string();
    assert!(error.contains("bind"), "{error}");
    client.close().await;
    node.stop().await;
}
