//! The way to one endpoint, as the driver keeps it: how far its connection is, and the connection.
//!
//! When to connect is decided by [`Subchannel`]; here it is done. Everything that happens outside comes back as an
//! [`Outcome`] with the number of the attempt it belongs to, so that what comes late is known to be late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::future::BoxFuture;
use http::uri::{Authority, Scheme};
use hyper::client::conn::http2::SendRequest;
use nacrite_balance::subchannel::{Action, Event, Subchannel};
use nacrite_balance::{Connectivity, Endpoint, Load, Member};
use rand::RngExt as _;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;

use super::health::{self, Health, Line};
use super::outcome::Notes;
use super::view::Lane;
use crate::tasks::Tasks;
use crate::transport::{Address, Connection, Connector};

/// What became of a connection.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It stands, or why it does not.
    Made(Result<Connection, String>),
    /// It takes no more calls, for this reason if there is one.
    Closed(Option<String>),
    /// The endpoint says something else about its health.
    Health,
    /// It will say nothing more about its health.
    HealthIsFinal,
}

/// Which attempt of which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AttemptId {
    pub(super) way: u64,
    pub(super) attempt: u64,
}

/// Brings the outcome of an attempt. There is one at most per way that is current.
pub(super) type Watch = BoxFuture<'static, (AttemptId, Outcome)>;

/// A watch of an endpoint's health, as long as this is held.
#[derive(Debug)]
struct Checked {
    service: Arc<str>,
    said: watch::Receiver<Health>,
    _task: AbortOnDropHandle<()>,
}

/// The way to one endpoint.
#[derive(Debug)]
pub(super) struct Way {
    id: AttemptId,
    address: Address,
    endpoint: Arc<Endpoint>,
    subchannel: Subchannel,
    sender: Option<SendRequest<Body>>,
    connecting: Option<AbortHandle>,
    load: Arc<Load>,
    asked: Arc<AtomicBool>,
    notes: Option<Notes>,
    is_ejected: bool,
    checked: Option<Checked>,
    /// Made anew when anything in it is different.
    lane: Option<Arc<Lane>>,
}

impl Way {
    pub(super) fn new(number: u64, address: Address, endpoint: Arc<Endpoint>) -> Self {
        Self {
            id: AttemptId { way: number, attempt: 0 },
            address,
            endpoint,
            subchannel: Subchannel::default(),
            sender: None,
            connecting: None,
            load: Arc::default(),
            asked: Arc::default(),
            notes: None,
            is_ejected: false,
            checked: None,
            lane: None,
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn state(&self) -> Connectivity {
        self.subchannel.state()
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.subchannel.wakes_at()
    }

    /// As policies see it: an endpoint that says that it does not serve is like one that cannot be reached.
    pub(super) fn member(&self) -> Member {
        let health = self.checked.as_ref().map(|checked| checked.said.borrow().clone());
        let (state, reason) = match (self.state(), health) {
            (Connectivity::Ready, Some(Health::Asked)) => (Connectivity::Connecting, None),
            (Connectivity::Ready, Some(Health::NotServing(why))) => (Connectivity::TransientFailure, Some(why)),
            (state, _) => (state, self.subchannel.reason().cloned()),
        };
        Member {
            endpoint: Arc::clone(&self.endpoint),
            state,
            reason,
            ejected: self.is_ejected,
            load: Arc::clone(&self.load),
        }
    }

    /// As calls see it.
    pub(super) fn lane(&mut self) -> Arc<Lane> {
        let lane = self.lane.take().unwrap_or_else(|| {
            Arc::new(Lane {
                endpoint: Arc::clone(&self.endpoint),
                sender: self.sender.clone(),
                load: Arc::clone(&self.load),
                asked: Arc::clone(&self.asked),
                scheme: scheme(&self.address),
                notes: self.notes.clone(),
            })
        });
        self.lane = Some(Arc::clone(&lane));
        lane
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.is_ejected
    }

    /// Where calls to it note how they ended, and whether so many failed that it takes none.
    pub(super) fn judge(&mut self, notes: Option<Notes>, is_ejected: bool) {
        self.is_ejected = is_ejected;
        let is_same = match (&self.notes, &notes) {
            (Some(own), Some(other)) => Arc::ptr_eq(&own.record, &other.record),
            (own, other) => own.is_none() && other.is_none(),
        };
        if !is_same {
            self.notes = notes;
            self.lane = None;
        }
    }

    /// What is said about the endpoint has changed, but not where it is. Returns whether it may have been started anew, so
    /// that it is worth trying at once.
    pub(super) fn describe(&mut self, endpoint: &Arc<Endpoint>) -> bool {
        let is_restarted = self.endpoint.metadata != endpoint.metadata;
        self.endpoint = Arc::clone(endpoint);
        self.lane = None;
        is_restarted
    }

    pub(super) fn is_described(&self, endpoint: &Endpoint) -> bool {
        *self.endpoint == *endpoint
    }

    /// Whether a call asked for a connection since this was asked last.
    pub(super) fn take_asked(&self) -> bool {
        self.asked.swap(false, Ordering::AcqRel)
    }

    /// Takes an event, and does what follows from it. Returns what is to be watched from now on.
    pub(super) fn apply(&mut self, now: Instant, event: Event, connector: &Connector) -> Option<Watch> {
        match self.subchannel.apply(now, event, rand::rng().random())? {
            Action::Connect { within } => Some(self.connect(within, connector)),
            Action::Close => {
                self.close();
                None
            }
        }
    }

    /// Watches the health of a service on the connection that stands, or none. Returns what is to be watched from now on.
    pub(super) fn check(&mut self, service: Option<&Arc<str>>, authority: &Authority, tasks: &Tasks) -> Option<Watch> {
        let (Some(service), Some(sender)) = (service, &self.sender) else {
            self.checked = None;
            return None;
        };
        if self.checked.as_ref().is_some_and(|checked| checked.service == *service) {
            return None;
        }
        let line = Line { sender: sender.clone(), scheme: scheme(&self.address), authority: authority.clone() };
        let (tell, said) = watch::channel(Health::default());
        let task = tasks.spawn_held(health::follow(line, Arc::clone(service), tell));
        self.checked = Some(Checked { service: Arc::clone(service), said, _task: task });
        self.hear()
    }

    /// Waits for the next that the endpoint says about its health.
    fn hear(&self) -> Option<Watch> {
        let (id, mut said) = (self.id, self.checked.as_ref()?.said.clone());
        said.mark_unchanged();
        Some(Box::pin(async move {
            // It said its last word, if that fails.
            let has_more = said.changed().await.is_ok();
            (id, if has_more { Outcome::Health } else { Outcome::HealthIsFinal })
        }))
    }

    /// An attempt has come to an end, or its connection has. Returns what is to be watched from now on.
    pub(super) fn ended(&mut self, now: Instant, outcome: Outcome, connector: &Connector) -> Option<Watch> {
        match outcome {
            Outcome::Health => self.hear(),
            // What it said last counts.
            Outcome::HealthIsFinal => None,
            Outcome::Made(Ok(connection)) => {
                self.connecting = None;
                self.sender = Some(connection.sender.clone());
                let connected = self.apply(now, Event::Connected, connector);
                debug_assert!(connected.is_none(), "a connection that stands asks for no other");
                self.lane = None;
                let id = self.id;
                Some(Box::pin(async move { (id, Outcome::Closed(connection.closed().await)) }))
            }
            Outcome::Made(Err(reason)) => {
                self.connecting = None;
                self.apply(now, Event::Failed(reason.into()), connector)
            }
            Outcome::Closed(reason) => {
                self.checked = None;
                self.sender = None;
                self.lane = None;
                let reason = reason.unwrap_or_else(|| "the endpoint closed the connection".to_owned());
                let reason = format!("the connection to {} was lost: {reason}", self.address);
                self.apply(now, Event::Lost(reason.into()), connector)
            }
        }
    }

    /// Whether an outcome belongs to what is going on now.
    pub(super) fn is_current(&self, id: AttemptId) -> bool {
        self.id == id
    }

    fn connect(&mut self, within: std::time::Duration, connector: &Connector) -> Watch {
        self.id.attempt += 1;
        let attempt = connector.clone().connect(self.address.clone(), within);
        let attempt = connector.tasks.spawn_held(attempt);
        self.connecting = Some(attempt.abort_handle());
        let id = self.id;
        Box::pin(async move {
            let made = attempt.await.unwrap_or_else(|_| Err("the attempt was given up".to_owned()));
            (id, Outcome::Made(made))
        })
    }

    /// Gives up what is there. Calls that are under way hold the connection themselves.
    fn close(&mut self) {
        self.id.attempt += 1;
        if let Some(connecting) = self.connecting.take() {
            connecting.abort();
        }
        self.sender = None;
        self.checked = None;
        self.lane = None;
    }
}

fn scheme(address: &Address) -> Scheme {
    if address.tls_name.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Some(connecting) = self.connecting.take() {
            connecting.abort();
        }
    }
}
