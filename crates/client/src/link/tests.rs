//! Links against the scripted server, over real sockets.

mod deadlines;
mod faults;
mod handshake;
mod moves;
mod pushes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use nacrite_wire::client::Module;
use nacrite_wire::client::naming::{ServiceListRequest, ServiceListResponse};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Ack, HeaderSource, Link, LinkSetup, PushHandler, Resource, ServerSource};
use crate::error::Error;
use crate::server::ServerAddress;
use crate::session::{Generation, LinkState, Phase, Session};
use crate::settings::LinkSettings;
use crate::tasks::Tasks;
use crate::testkit::ScriptedServer;
use crate::tls::TlsSetup;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than a request to this machine ever takes.
const SOON: Duration = Duration::from_secs(3);

const ABOUT: Resource<'static> = Resource { module: Module::Naming, namespace: "public", group: "", name: "" };

/// Asks what every server answers.
fn question() -> ServiceListRequest<'static> {
    ServiceListRequest {
        namespace: "public",
        service_name: "",
        group_name: "",
        page_no: 1,
        page_size: 10,
        selector: "",
    }
}

/// A list that a test changes.
struct Servers(watch::Sender<Arc<[ServerAddress]>>);

impl Servers {
    fn set(&self, list: &[&ScriptedServer]) {
        self.0.send_replace(list.iter().map(|server| server.address()).collect());
    }
}

impl ServerSource for Servers {
    fn current(&self) -> Arc<[ServerAddress]> {
        self.0.borrow().clone()
    }

    fn changes(&self) -> watch::Receiver<Arc<[ServerAddress]>> {
        self.0.subscribe()
    }
}

/// A token that is renewed as often as the server refuses it.
#[derive(Default)]
struct Token(Mutex<u32>);

impl HeaderSource for Token {
    fn headers<'a>(&'a self, _: Resource<'a>) -> BoxFuture<'a, Result<Vec<(String, String)>, Error>> {
        let token = format!("token-{}", self.0.lock());
        async move { Ok(vec![("accessToken".to_owned(), token)]) }.boxed()
    }

    fn refused(&self) -> BoxFuture<'_, bool> {
        *self.0.lock() += 1;
        async { true }.boxed()
    }
}

/// Takes pushes of one type and fails where it is told to.
#[derive(Default)]
struct Taker(Mutex<Vec<(Generation, String)>>);

impl PushHandler for Taker {
    fn push(&self, generation: Generation, wire_type: &str, body: &[u8]) -> Option<Ack> {
        if wire_type != "NotifySubscriberRequest" {
            return None;
        }
        let body = String::from_utf8_lossy(body).into_owned();
        assert!(!body.contains("panic"), "as the test wants it");
        let result = if body.contains("fail") { Err("cannot take it".to_owned()) } else { Ok(()) };
        self.0.lock().push((generation, body));
        Some(Ack { wire_type: "NotifySubscriberResponse", result })
    }
}

/// A link and what it is made of.
struct Rig {
    link: Link,
    servers: Arc<Servers>,
    token: Arc<Token>,
    taker: Arc<Taker>,
    tasks: Tasks,
}

impl Rig {
    fn new(list: &[&ScriptedServer]) -> Self {
        Self::with(list.iter().map(|server| server.address()).collect(), |_| {})
    }

    /// A link that makes no pauses, for tests that take its connection again and again.
    fn tireless(list: &[&ScriptedServer]) -> Self {
        Self::with(list.iter().map(|server| server.address()).collect(), |settings| {
            (settings.pause_step, settings.pause_max) = (Duration::from_millis(1), Duration::from_millis(1));
            settings.handover = Duration::from_millis(1);
        })
    }

    fn with(list: Arc<[ServerAddress]>, change: impl FnOnce(&mut LinkSettings)) -> Self {
        Self::encrypted(list, TlsSetup::new(None).expect("no files"), change)
    }

    fn encrypted(list: Arc<[ServerAddress]>, tls: TlsSetup, change: impl FnOnce(&mut LinkSettings)) -> Self {
        let mut settings = LinkSettings::default();
        change(&mut settings);
        let servers = Arc::new(Servers(watch::Sender::new(list)));
        let (token, taker) = (Arc::new(Token::default()), Arc::new(Taker::default()));
        let tasks = Tasks::new().expect("inside a runtime");
        let link = Link::start(LinkSetup {
            name: "test".to_owned(),
            module: Module::Naming,
            tenant: None,
            servers: servers.clone(),
            credentials: token.clone(),
            tls: Arc::new(tls),
            labels: BTreeMap::from([("AppName".to_owned(), "orders".to_owned())]),
            settings,
            handlers: vec![taker.clone()],
            meter: Arc::default(),
            tasks: tasks.clone(),
        });
        Self { link, servers, token, taker, tasks }
    }

    async fn ready(&self) {
        self.link.ready(PATIENCE).await.expect("a connection");
    }

    async fn ask(&self) -> Result<ServiceListResponse, Error> {
        self.link.ask(&question(), ABOUT, SOON).await
    }

    /// The connection that stands, once `fits` is content with it.
    async fn session(&self, fits: impl Fn(&Session) -> bool) -> Session {
        let mut session = self.link.session();
        let found = session.wait_for(|session| session.as_ref().is_some_and(&fits));
        let found = tokio::time::timeout(PATIENCE, found).await.expect("such a connection").expect("the link lives");
        found.clone().expect("it fits")
    }

    async fn state(&self, fits: impl Fn(&LinkState) -> bool) -> LinkState {
        let mut state = self.link.state();
        let found = tokio::time::timeout(PATIENCE, state.wait_for(|state| fits(state))).await;
        found.expect("such a state").expect("the link lives").clone()
    }

    async fn close(self) {
        assert!(self.link.0.tasks.stop(PATIENCE).await, "a task of the link does not end");
        assert!(self.tasks.stop_all(PATIENCE).await, "tasks are left");
        assert_eq!(self.link.state().borrow().phase, Phase::ShutDown);
    }
}
