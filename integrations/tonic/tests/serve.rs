//! A gRPC service from its start to its end, as the registry, its callers and watchers of its health see it.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]
#![expect(clippy::disallowed_methods, reason = "the test is the caller beside the server, and holds the watch")]

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use nacrite_client::register::{
    Farewell, LeaveReason, LeaveStep, RegisterSettings, Registrar, RegistrarHandle, RegistrarState, ServeError,
};
use nacrite_client::{Client, ServerAddress};
use nacrite_testkit::Node;
use nacrite_tonic::serve::WithNacos as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::body::Body;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{Channel, Server};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tower_service::Service;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers with what it was sent; hangs when it is sent `hang`, and says when it begins to.
#[derive(Clone)]
struct Echo {
    hangs: mpsc::Sender<()>,
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl UnaryService<String> for Echo {
    type Response = String;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<String>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<String>) -> Self::Future {
        let hangs = self.hangs.clone();
        Box::pin(async move {
            let said = request.into_inner();
            if said == "hang" {
                hangs.send(()).await.expect("the test waits");
                std::future::pending::<()>().await;
            }
            Ok(tonic::Response::new(said))
        })
    }
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move {
            let codec = ProstCodec::<String, String>::default();
            Ok(tonic::server::Grpc::new(codec).unary(echo, request).await)
        })
    }
}

async fn say(channel: Channel, what: &str) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static("/test.Echo/Say");
    let codec = ProstCodec::<String, String>::default();
    grpc.unary(tonic::Request::new(what.to_owned()), path, codec).await.map(tonic::Response::into_inner)
}

fn client_of(node: &Node) -> Client {
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    let builder = Client::builder().server_list([main.with_grpc_port(node.clients.port())]);
    builder.build().expect("a good description")
}

type Served = JoinHandle<Result<Farewell, ServeError>>;

async fn start(registrar: Registrar) -> (SocketAddr, RegistrarHandle, Served, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("a bound socket has an address");
    let handle = registrar.handle();
    let (hangs, hanging) = mpsc::channel(1);
    let server = Server::builder().with_nacos(registrar).add_service(Echo { hangs });
    (at, handle, tokio::task::spawn(server.serve_with_listener(listener)), hanging)
}

async fn ended(served: Served) -> Result<Farewell, ServeError> {
    tokio::time::timeout(PATIENCE, served).await.expect("it ends").expect("no panic")
}

async fn until(handle: &RegistrarHandle, enough: impl Fn(&RegistrarState) -> bool) {
    let mut state = handle.state();
    let waited = tokio::time::timeout(PATIENCE, state.wait_for(|state| enough(state))).await;
    assert!(waited.is_ok(), "in vain: {handle:?}");
}

async fn channel_to(at: SocketAddr) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{at}")).expect("an address");
    endpoint.connect().await.expect("it accepts")
}

fn of_echo() -> HealthCheckRequest {
    HealthCheckRequest { service: Echo::NAME.to_owned() }
}

async fn health(channel: &Channel) -> i32 {
    let answer = HealthClient::new(channel.clone()).check(of_echo()).await;
    answer.expect("an answer").into_inner().status
}

#[tokio::test]
async fn a_grpc_service_is_in_the_registry_only_while_it_answers_and_its_health_follows() {
    let node = Node::start().await;
    let (client, observer) = (client_of(&node), client_of(&node));
    let settings = RegisterSettings::new("echo").bounds(|bounds| bounds.drain_wait = Duration::from_millis(400));
    let (go, gate) = tokio::sync::oneshot::channel::<()>();
    let registrar = Registrar::with_client(&client, settings).expect("good settings").ready_when(gate);
    let (at, handle, served, _hanging) = start(registrar).await;

    until(&handle, |state| state.to_string().contains("the program is not ready")).await;
    let channel = channel_to(at).await;
    assert_eq!(say(channel.clone(), "hello").await.expect("it answers"), "hello");
    assert_eq!(health(&channel).await, ServingStatus::NotServing as i32);
    assert!(observer.naming().query("echo").await.expect("a list").is_empty());

    go.send(()).expect("it waits");
    until(&handle, RegistrarState::is_ready).await;
    let listed = observer.naming().query("echo").await.expect("a list");
    let instance = listed.iter().next().expect("it is registered");
    let (port, metadata) = (at.port(), instance.metadata());
    assert_eq!((instance.port(), metadata.get("gRPC_port")), (port, Some(port.to_string().as_str())));
    assert_eq!(metadata.get("grpc.services"), Some("test.Echo"));
    assert_eq!(metadata.get("framework"), Some("tonic 0.14"));
    let mut watch = HealthClient::new(channel.clone()).watch(of_echo()).await.expect("a stream").into_inner();
    let mut said = Vec::new();
    while said.last() != Some(&(ServingStatus::Serving as i32)) {
        let next = tokio::time::timeout(PATIENCE, watch.message()).await.expect("in time").expect("no failure");
        said.push(next.expect("a status").status);
    }

    let watched = tokio::task::spawn(async move {
        loop {
            let is_listed = !observer.naming().query("echo").await.expect("a list").is_empty();
            if TcpStream::connect(at).await.is_err() {
                observer.close().await;
                return is_listed;
            }
        }
    });
    handle.leave();
    until(&handle, |state| matches!(state, RegistrarState::Leaving { step: LeaveStep::Lingering, .. })).await;
    // Who watches is told, and requests are served on.
    let next = tokio::time::timeout(PATIENCE, watch.message()).await.expect("in time").expect("no failure");
    assert_eq!(next.map(|next| next.status), Some(ServingStatus::NotServing as i32));
    assert_eq!(say(channel, "still there").await.expect("it answers"), "still there");
    // Who watches does not keep it from stopping.
    let farewell = ended(served).await.expect("it left in order");
    assert_eq!((farewell.reason, farewell.dropped, farewell.is_late), (LeaveReason::Call, 0, false));
    assert!(!watched.await.expect("no panic"), "refused while it was listed");
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_call_that_never_ends_is_dropped_in_time_and_counted() {
    let node = Node::start().await;
    let client = client_of(&node);
    let settings = RegisterSettings::new("echo").bounds(|bounds| {
        bounds.drain_wait = Duration::ZERO;
        bounds.drain_within = Duration::from_millis(300);
    });
    let (at, handle, served, mut hanging) =
        start(Registrar::with_client(&client, settings).expect("good settings")).await;
    until(&handle, RegistrarState::is_ready).await;
    let channel = channel_to(at).await;
    let caller = tokio::task::spawn(async move { say(channel, "hang").await });
    hanging.recv().await.expect("the call is there");
    let began = Instant::now();
    handle.leave();
    let farewell = ended(served).await.expect("it left");
    assert_eq!((farewell.dropped, farewell.is_late), (1, true));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let failed = tokio::time::timeout(PATIENCE, caller).await.expect("the call ends").expect("no panic");
    assert!(failed.is_err(), "{failed:?}");
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let node = Node::start().await;
    let client = client_of(&node);
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = taken.local_addr().expect("a bound socket has an address");
    let registrar = Registrar::with_client(&client, RegisterSettings::new("echo")).expect("good settings");
    let (hangs, _) = mpsc::channel(1);
    let error = Server::builder().with_nacos(registrar).add_service(Echo { hangs }).serve(at).await;
    let error = error.expect_err("the port is taken").to_string();
    assert!(error.contains(&at.to_string()), "{error}");
    client.close().await;
    node.stop().await;
}

/// Layers and interceptors are tonic's own, and stay where they were.
#[tokio::test]
async fn layers_of_the_server_see_the_calls() {
    let node = Node::start().await;
    let client = client_of(&node);
    let settings = RegisterSettings::new("echo").bounds(|bounds| bounds.drain_wait = Duration::ZERO);
    let registrar = Registrar::with_client(&client, settings).expect("good settings");
    let handle = registrar.handle();
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let count = move |request: tonic::Request<()>| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(request)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("a bound socket has an address");
    let (hangs, _) = mpsc::channel(1);
    let server = Server::builder().layer(tonic::service::InterceptorLayer::new(count));
    let served =
        tokio::task::spawn(server.with_nacos(registrar).add_service(Echo { hangs }).serve_with_listener(listener));
    until(&handle, RegistrarState::is_ready).await;
    assert_eq!(say(channel_to(at).await, "hello").await.expect("it answers"), "hello");
    assert!(seen.load(std::sync::atomic::Ordering::Relaxed) >= 2, "the call, and the question whether it answers");
    handle.leave();
    ended(served).await.expect("it left");
    client.close().await;
    node.stop().await;
}
