//! Calls by name, to servers in this process, found through a registry in this process.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode};
use nacrite_client::discover::{Discovery, DiscoverySettings};
use nacrite_client::naming::{Instance, Registration};
use nacrite_client::{Client, ServerAddress};
use nacrite_reqwest::{CallError, Called, Deadline, Group, LoadBalancer, LoadBalancerSettings};
use nacrite_testkit::Node;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, Middleware, Next};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A provider answers with its port, or as it is told.
struct Provider {
    port: u16,
    calls: Arc<AtomicU32>,
    /// The status of all answers; 0 if it never answers.
    status: Arc<AtomicU16>,
    /// Ends it when it is dropped.
    _serving: JoinSet<()>,
}

#[derive(Clone)]
struct Told {
    port: u16,
    calls: Arc<AtomicU32>,
    status: Arc<AtomicU16>,
}

async fn answer(State(told): State<Told>, request: Request) -> Response {
    told.calls.fetch_add(1, Ordering::Relaxed);
    let status = told.status.load(Ordering::Relaxed);
    if status == 0 {
        std::future::pending::<()>().await;
    }
    let headers: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
    let said = format!("{} {} {} {}", told.port, request.method(), request.uri(), headers.join(","));
    (StatusCode::from_u16(status).expect("a status"), said).into_response()
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (calls, status) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU16::new(200)));
        let told = Told { port, calls: Arc::clone(&calls), status: Arc::clone(&status) };
        let app = Router::new().fallback(answer).with_state(told);
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { port, calls, status, _serving: serving }
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

/// Ports that nobody listens on: no system gives them away, and their services of old are gone.
const DEAD: [u16; 5] = [1, 2, 3, 4, 5];

struct World {
    node: Node,
    provider: Client,
    caller: Client,
}

impl World {
    async fn new() -> Self {
        let node = Node::start().await;
        let main: ServerAddress = node.http.to_string().parse().expect("an address");
        let client = || {
            let main = main.clone().with_grpc_port(node.clients.port());
            Client::builder().server_list([main]).build().expect("a good description")
        };
        let (provider, caller) = (client(), client());
        Self { node, provider, caller }
    }

    async fn register(&self, service: &str, ports: &[(u16, f64)]) -> Vec<Registration> {
        let mut registered = Vec::new();
        for (port, weight) in ports {
            let instance = Instance::builder("127.0.0.1", *port).weight(*weight);
            registered.push(self.provider.naming().register(service, instance).await.expect("registered"));
        }
        registered
    }

    fn discovery(&self) -> Discovery {
        Discovery::new(&self.caller)
    }

    async fn end(self) {
        self.caller.close().await;
        self.provider.close().await;
        self.node.stop().await;
    }
}

/// Sees every attempt, by its port.
#[derive(Clone, Default)]
struct Seen(Arc<parking_lot::Mutex<Vec<Option<u16>>>>);

#[async_trait::async_trait]
impl Middleware for Seen {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        self.0.lock().push(request.url().port());
        next.run(request, extensions).await
    }
}

fn http(discovery: &Discovery, change: impl FnOnce(&mut LoadBalancerSettings)) -> ClientWithMiddleware {
    let mut settings = LoadBalancerSettings::default();
    change(&mut settings);
    let balancer = LoadBalancer::with_settings(discovery, settings);
    // Environments may name proxies.
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    ClientBuilder::new(client).with(balancer).build()
}

fn called(response: &reqwest::Response) -> (u16, u32) {
    let called = response.extensions().get::<Called>().expect("it was called by name");
    (called.instance.port(), called.attempts)
}

fn none_of(error: &Error) -> Option<&CallError> {
    match error {
        Error::Middleware(error) => error.downcast_ref(),
        Error::Reqwest(_) => None,
    }
}

#[tokio::test]
async fn calls_follow_the_weights() {
    let world = World::new().await;
    let providers = [Provider::start().await, Provider::start().await, Provider::start().await];
    let weights: Vec<(u16, f64)> = providers.iter().map(|provider| provider.port).zip([1.0, 2.0, 7.0]).collect();
    let _registered = world.register("orders", &weights).await;
    let http = http(&world.discovery(), |_| {});
    for _ in 0..2_000 {
        let response = http.get("http://orders/a%20b?q=1").send().await.expect("an answer");
        let (port, attempts) = called(&response);
        let said = response.text().await.expect("a text");
        assert!(said.starts_with(&format!("{port} GET /a%20b?q=1 ")) && attempts == 1, "{said}");
    }
    let shares: Vec<u32> = providers.iter().map(Provider::calls).collect();
    for (share, expected) in shares.iter().zip([200_u32, 400, 1_400]) {
        assert!(share.abs_diff(expected) <= 100, "{shares:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_service_that_nobody_knows_is_an_error_at_once() {
    let world = World::new().await;
    let http = http(&world.discovery(), |_| {});
    let error = http.get("http://nobody/?password=hunter2").send().await.expect_err("nobody is there");
    let shown = error.to_string();
    assert!(matches!(none_of(&error), Some(CallError::NoInstance(_))), "{error:?}");
    assert!(shown.contains("nobody") && shown.contains("DEFAULT_GROUP") && !shown.contains("hunter2"), "{shown}");
    for bad in ["lb://nobody:80/", "http://_/", "lb://a%20b/"] {
        let error = http.get(bad).send().await.expect_err("no name");
        assert!(none_of(&error).is_some(), "{bad}: {error:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_registry_that_is_away_is_told_with_the_service() {
    let nowhere = Client::builder().servers("127.0.0.1:1").build().expect("a good description");
    let http = http(&Discovery::new(&nowhere), |settings| settings.resolve_within = Duration::from_millis(200));
    let error = http.get("http://orders/").send().await.expect_err("nobody knows");
    assert!(matches!(none_of(&error), Some(CallError::Unresolved { .. })), "{error:?}");
    let shown = error.to_string();
    assert!(shown.contains("orders") && shown.contains("DEFAULT_GROUP") && shown.contains("127.0.0.1"), "{shown}");
    nowhere.close().await;
}

#[tokio::test]
async fn addresses_are_called_as_they_stand() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let http = http(&world.discovery(), |_| {});
    for host in ["127.0.0.1", "localhost"] {
        let response = http.get(format!("http://{host}:{}/x", provider.port)).send().await.expect("an answer");
        assert!(response.extensions().get::<Called>().is_none());
    }
    assert_eq!((provider.calls(), world.caller.metrics().services), (2, 0));
    world.end().await;
}

#[tokio::test]
async fn what_may_be_done_twice_is_tried_elsewhere_and_what_may_not_is_not() {
    let world = World::new().await;
    let (well, ill) = (Provider::start().await, Provider::start().await);
    ill.answers(503);
    // The ill one first, by far.
    let _registered = world.register("orders", &[(well.port, 0.001), (ill.port, 1_000.0)]).await;
    let mut settings = DiscoverySettings::default();
    settings.outliers = nacrite_client::discover::OutlierSettings::none();
    let http = http(&Discovery::with_settings(&world.caller, settings), |_| {});
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"] {
        let method = method.parse().expect("a method");
        let response = http.request(method, "http://orders/").body("twice").send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), called(&response)), (200, (well.port, 2)));
    }
    for method in ["POST", "PATCH", "LOCK"] {
        let method = method.parse().expect("a method");
        let response = http.request(method, "http://orders/").body("once").send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), called(&response)), (503, (ill.port, 1)));
    }
    // Only certain answers are worth another try, and the last one is handed on when all were tried.
    ill.answers(500);
    assert_eq!(http.get("http://orders/").send().await.expect("an answer").status().as_u16(), 500);
    ill.answers(503);
    well.answers(502);
    let response = http.get("http://orders/").send().await.expect("an answer");
    assert_eq!((response.status().as_u16(), called(&response)), (502, (well.port, 2)));
    world.end().await;
}

#[tokio::test]
async fn what_reached_nobody_is_tried_elsewhere_whatever_it_is() {
    let world = World::new().await;
    let well = Provider::start().await;
    let _registered = world.register("orders", &[(well.port, 0.001), (DEAD[0], 1_000.0)]).await;
    let mut settings = DiscoverySettings::default();
    settings.outliers = nacrite_client::discover::OutlierSettings::none();
    let http = http(&Discovery::with_settings(&world.caller, settings), |_| {});
    let response = http.post("lb://orders/").body("x").send().await.expect("an answer");
    assert_eq!(called(&response), (well.port, 2));
    // A body that cannot be copied is sent once.
    let stream = reqwest::Body::wrap("x".to_owned());
    let error = http.post("lb://orders/").body(stream).send().await.expect_err("it was sent once");
    assert!(error.is_connect(), "{error:?}");
    world.end().await;
}

#[tokio::test]
async fn what_broke_on_its_way_is_tried_elsewhere_only_if_it_may_be_done_twice() {
    let world = World::new().await;
    let well = Provider::start().await;
    // Takes connections, and drops each once it was asked something.
    let breaks = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = breaks.local_addr().expect("a bound socket has an address").port();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((socket, _)) = breaks.accept().await {
            socket.readable().await.expect("it is asked");
        }
    });
    let _registered = world.register("orders", &[(well.port, 0.001), (port, 1_000.0)]).await;
    let mut settings = DiscoverySettings::default();
    settings.outliers = nacrite_client::discover::OutlierSettings::none();
    let http = http(&Discovery::with_settings(&world.caller, settings), |_| {});
    let response = http.get("http://orders/").send().await.expect("an answer");
    assert_eq!(called(&response), (well.port, 2));
    let before = well.calls();
    let error = http.post("http://orders/").body("once").send().await.expect_err("it may have been done");
    assert!(!error.is_connect() && error.is_request(), "{error:?}");
    assert_eq!(well.calls(), before);
    world.end().await;
}

#[tokio::test]
async fn attempts_have_a_bound_and_each_goes_elsewhere() {
    let world = World::new().await;
    let _registered = world.register("orders", &DEAD.map(|port| (port, 1.0))).await;
    let discovery = world.discovery();
    let seen = Seen::default();
    let http = ClientBuilder::from_client(http(&discovery, |settings| settings.retry.attempts_max = 4));
    let error = http.with(seen.clone()).build().get("http://orders/").send().await.expect_err("all are dead");
    assert!(error.is_connect(), "{error:?}");
    let seen = seen.0.lock().clone();
    assert_eq!(seen.len(), 4);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), 4);
    world.end().await;
}

#[tokio::test]
async fn a_call_is_over_at_its_deadline() {
    let world = World::new().await;
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.answers(0);
    second.answers(0);
    let _registered = world.register("orders", &[(first.port, 1.0), (second.port, 1.0)]).await;
    let http = http(&world.discovery(), |settings| settings.within = Some(Duration::from_millis(300)));
    let ended = tokio::time::timeout(PATIENCE, http.get("http://orders/").send()).await.expect("it ends");
    assert!(ended.is_err_and(|error| error.is_timeout()));
    assert_eq!(first.calls() + second.calls(), 1, "no time was left for another");
    let deadline = Deadline::within(Duration::from_millis(100));
    let ended = http.get("http://orders/").timeout(PATIENCE).with_extension(deadline).send();
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
    assert!(ended.is_err_and(|error| error.is_timeout()));
    world.end().await;
}

#[tokio::test]
async fn who_fails_is_left_out_and_comes_back() {
    let world = World::new().await;
    let (well, ill) = (Provider::start().await, Provider::start().await);
    ill.answers(503);
    let _registered = world.register("orders", &[(well.port, 1.0), (ill.port, 1.0)]).await;
    let mut settings = DiscoverySettings::default();
    settings.outliers.failures_in_a_row = Some(2);
    settings.outliers.ejection_base = Duration::from_millis(500);
    let discovery = Discovery::with_settings(&world.caller, settings);
    let http = http(&discovery, |_| {});
    let orders = discovery.service("orders").expect("a good name");
    while orders.ejected().is_empty() {
        let response = http.get("http://orders/").send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), 200, "it was tried elsewhere");
    }
    let before = ill.calls();
    assert_eq!(before, 2);
    ill.answers(200);
    let back = async {
        while ill.calls() == before {
            let response = http.get("http://orders/").send().await.expect("an answer");
            assert_eq!(called(&response).1, 1);
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("it comes back");
    assert!(orders.ejected().is_empty());
    world.end().await;
}

#[tokio::test]
async fn who_left_is_not_called_any_more_and_calls_go_on_without_a_registry() {
    let world = World::new().await;
    let (stays, leaves) = (Provider::start().await, Provider::start().await);
    let registered = world.register("orders", &[(stays.port, 1.0), (leaves.port, 1.0)]).await;
    let discovery = world.discovery();
    let http = http(&discovery, |_| {});
    http.get("http://orders/").send().await.expect("an answer");
    registered[1].deregister().await.expect("deregistered");
    let orders = discovery.service("orders").expect("a good name");
    let gone = async {
        while orders.instances().is_none_or(|list| list.len() > 1) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the list comes");
    let before = leaves.calls();
    for _ in 0..100 {
        let response = http.get("http://orders/").send().await.expect("an answer");
        assert_eq!(called(&response), (stays.port, 1));
    }
    assert_eq!(leaves.calls(), before);
    let World { node, provider, caller } = world;
    node.stop().await;
    for _ in 0..10 {
        assert!(http.get("http://orders/").send().await.is_ok());
    }
    caller.close().await;
    provider.close().await;
}

#[tokio::test]
async fn groups_are_told_by_settings_header_and_extension() {
    let world = World::new().await;
    let (one, two, three) = (Provider::start().await, Provider::start().await, Provider::start().await);
    let _one = world.register("ONE@@orders", &[(one.port, 1.0)]).await;
    let _two = world.register("TWO@@orders", &[(two.port, 1.0)]).await;
    let _three = world.register("THREE@@orders", &[(three.port, 1.0)]).await;
    let http = http(&world.discovery(), |settings| {
        settings.group = "ONE".into();
        settings.group_header = Some(HeaderName::from_static("x-group"));
    });
    let get = || http.get("http://orders/");
    assert_eq!(called(&get().send().await.expect("an answer")).0, one.port);
    let response = get().header("x-group", "TWO").send().await.expect("an answer");
    assert_eq!(called(&response).0, two.port);
    let said = response.text().await.expect("a text");
    assert!(!said.contains("x-group"), "{said}");
    let response = get().header("x-group", "TWO").with_extension(Group::from("THREE")).send().await;
    assert_eq!(called(&response.expect("an answer")).0, three.port);
    world.end().await;
}

#[tokio::test]
async fn names_with_capitals_and_dots_are_called_without_middleware_too() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let _registered = world.register("Shop.Orders", &[(provider.port, 1.0)]).await;
    let balancer = LoadBalancer::new(&world.discovery());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.get("lb://Shop.Orders/x?y=1").build().expect("a request");
    let response = balancer.execute(&client, request).await.expect("an answer");
    assert_eq!(called(&response), (provider.port, 1));
    assert!(response.text().await.expect("a text").contains("GET /x?y=1"));
    world.end().await;
}
