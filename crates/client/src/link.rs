//! The link to the servers: at most one connection that is believed good, made anew whenever it is lost.
//!
//! What to do is decided in `phase` (pure); `driver` does it. Requests go out from the task of their caller (`ask`);
//! pushes are read by a task of the connection (`pushes`). Nothing here knows what is asked or pushed.

mod ask;
mod attempt;
mod connection;
mod driver;
mod phase;
mod pushes;
mod signals;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use nacrite_wire::client::connection::HealthCheckRequest;
use nacrite_wire::client::{Ask, Module};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock;
use crate::error::Error;
use crate::metrics::Meter;
use crate::server::ServerAddress;
use crate::session::{Generation, LinkState, Phase, Session};
use crate::settings::LinkSettings;
use crate::tasks::Tasks;
use crate::tls::TlsSetup;

use ask::On;
use attempt::Introduction;
use driver::{Current, Driver, Told};
use phase::Machine;
use signals::Signals;

/// What is asked about. Signatures are made from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource<'a> {
    /// Which part of the server is asked.
    pub(crate) module: Module,
    /// Namespace id.
    pub(crate) namespace: &'a str,
    /// Group; empty if the request is not about one.
    pub(crate) group: &'a str,
    /// Name of the service or the config; empty if the request is not about one.
    pub(crate) name: &'a str,
}

/// Takes pushes. Set before the first connection.
///
/// Called in the order of arrival, in the task that reads the connection: in memory only, no waiting, no code of users.
pub(crate) trait PushHandler: Send + Sync + 'static {
    /// Takes a push of a connection and says how it is answered; `None` if the type is not its own. The link writes the
    /// answer onto the stream that delivered the push, with the id of the push.
    fn push(&self, generation: Generation, wire_type: &str, body: &[u8]) -> Option<Ack>;
}

/// The answer to a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    /// Type of the answer if it went well; a failure has a type of its own.
    pub(crate) wire_type: &'static str,
    /// How it went. The server may push again what failed.
    pub(crate) result: Result<(), String>,
}

/// Where servers come from. The link goes round the list, starting anywhere.
pub(crate) trait ServerSource: Send + Sync + 'static {
    /// The servers; may be empty while nobody has answered.
    fn current(&self) -> Arc<[ServerAddress]>;

    /// The same, to be watched.
    fn changes(&self) -> watch::Receiver<Arc<[ServerAddress]>>;
}

/// Headers of requests: tokens and signatures, made anew for each attempt.
pub(crate) trait HeaderSource: Send + Sync + 'static {
    /// The headers of one request.
    fn headers<'a>(&'a self, resource: Resource<'a>) -> BoxFuture<'a, Result<Vec<(String, String)>, Error>>;

    /// Is told that a request was not allowed. Returns whether there is something new to try once more with.
    fn refused(&self) -> BoxFuture<'_, bool>;
}

/// What a link is made of.
pub(crate) struct LinkSetup {
    /// Name in logs.
    pub(crate) name: String,
    /// What the connection is for; its label on the wire.
    pub(crate) module: Module,
    /// Namespace told in the introduction, if any.
    pub(crate) tenant: Option<String>,
    /// Where servers come from.
    pub(crate) servers: Arc<dyn ServerSource>,
    /// Headers of requests.
    pub(crate) credentials: Arc<dyn HeaderSource>,
    /// How to encrypt, if it is wanted.
    pub(crate) tls: Arc<TlsSetup>,
    /// Labels of the introduction besides those of the link itself, as they go onto the wire.
    pub(crate) labels: BTreeMap<String, String>,
    /// Time-outs and limits.
    pub(crate) settings: LinkSettings,
    /// Who takes pushes, asked in this order. None of them may hold the link itself.
    pub(crate) handlers: Vec<Arc<dyn PushHandler>>,
    /// Where it counts.
    pub(crate) meter: Arc<Meter>,
    /// On what its tasks hang.
    pub(crate) tasks: Tasks,
}

/// The link to the servers. Clones share it.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

/// What the askers and watchers of a link share.
struct Inner {
    settings: LinkSettings,
    credentials: Arc<dyn HeaderSource>,
    signals: Arc<Signals>,
    current: watch::Receiver<Current>,
    state: watch::Receiver<LinkState>,
    session: watch::Receiver<Option<Session>>,
    meter: Arc<Meter>,
    tasks: Tasks,
}

impl Link {
    /// Begins to connect, in the background, and returns at once.
    pub(crate) fn start(setup: LinkSetup) -> Self {
        let LinkSetup { name, module, tenant, servers, credentials, tls, settings, handlers, meter, .. } = setup;
        let (mut labels, tasks) = (setup.labels, setup.tasks);
        let (tasks, epoch, signals) = (tasks.part(), clock::now(), Arc::new(Signals::default()));
        let own = [("source", "sdk"), ("module", module.as_str()), ("tls.enable", truth(tls.is_wanted()))];
        labels.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let machine = Machine::new(settings.clone(), rand::make_rng::<StdRng>().next_u64());
        let since = epoch.into_std();
        let (phase, steps) = (Phase::Initialised, Arc::from([]));
        let nothing = LinkState { phase, server: None, generation: None, failure: None, steps, since };
        let (state_tell, state) = watch::channel(nothing);
        let (session_tell, session) = watch::channel(None);
        let (current_tell, current) = watch::channel(Current::Waiting(None));
        let introduction = Introduction { tenant, labels, tls, settings: settings.clone(), tasks: tasks.clone() };
        // In a box: a task would hold it twice.
        let driver = Box::new(Driver {
            name,
            machine,
            epoch,
            introduction: Arc::new(introduction),
            servers,
            handlers: handlers.into(),
            signals: Arc::clone(&signals),
            meter: Arc::clone(&meter),
            told: Told { state: state_tell, session: session_tell, current: current_tell },
            attempt: None,
            check: None,
            let_in: None,
            held: None,
            steps: Arc::from([]),
        });
        tasks.spawn(driver.run());
        Self(Arc::new(Inner { settings, credentials, signals, current, state, session, meter, tasks }))
    }

    /// Asks, and waits for the answer: at most `within`, over all attempts and waiting for a connection included. Only
    /// what is safe is tried again. A 503 is answered by a pause, a 403 by new credentials, once.
    ///
    /// # Errors
    /// [`Error::NotConnected`] if there was no connection in all that time, [`Error::Deadline`] if there was no answer,
    /// what the server says otherwise.
    pub(crate) async fn ask<A: Ask + Sync>(
        &self,
        ask: &A,
        resource: Resource<'_>,
        within: Duration,
    ) -> Result<A::Answer, Error> {
        ask::ask(&self.0, ask, resource, On::Any, within).await
    }

    /// The same on one connection alone.
    ///
    /// # Errors
    /// [`Error::NotConnected`] as soon as that connection is no longer the current one.
    pub(crate) async fn ask_in<A: Ask + Sync>(
        &self,
        generation: Generation,
        ask: &A,
        resource: Resource<'_>,
        within: Duration,
    ) -> Result<A::Answer, Error> {
        ask::ask(&self.0, ask, resource, On::Only(generation), within).await
    }

    /// What happens to the link.
    pub(crate) fn state(&self) -> watch::Receiver<LinkState> {
        self.0.state.clone()
    }

    /// The connection that stands; `None` while there is none. Another generation means that the server has forgotten,
    /// or is about to forget, all that the one before carried.
    pub(crate) fn session(&self) -> watch::Receiver<Option<Session>> {
        self.0.session.clone()
    }

    /// Asks the server whether it knows the connection, on whichever stands.
    ///
    /// # Errors
    /// As those of [`Self::ask`].
    pub(crate) async fn check(&self, within: Duration) -> Result<(), Error> {
        let resource = Resource { module: Module::Internal, namespace: "", group: "", name: "" };
        self.ask(&HealthCheckRequest {}, resource, within).await.map(|_| ())
    }

    /// Waits until a connection stands.
    ///
    /// # Errors
    /// [`Error::NotConnected`] with the reason if there is none in time, [`Error::Closed`].
    pub(crate) async fn ready(&self, within: Duration) -> Result<(), Error> {
        let mut state = self.state();
        let waited = timeout(within, state.wait_for(|state| matches!(state.phase, Phase::Running | Phase::ShutDown)));
        match waited.await.map(|state| state.map(|state| state.phase)) {
            Ok(Ok(Phase::Running)) => Ok(()),
            Ok(_) => Err(Error::Closed),
            Err(_) => Err(Error::NotConnected(self.0.state.borrow().failure.clone())),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.stop_now();
    }
}

const fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
