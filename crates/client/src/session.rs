//! What can be seen of a connection: its generation, what its server can do, and the state of the link that keeps it up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::failure::{ConnectFailure, Layer};
use crate::server::ServerAddress;

/// A connection that stands or stood. Greater means later; never repeats within a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

impl Generation {
    /// The connection of this number.
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the server said it can do; what is absent is not known, which is not the same as not supported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abilities(Arc<BTreeMap<Box<str>, bool>>);

impl Abilities {
    /// Whether the server can do it, in Nacos's name of the ability; `None` if it did not say.
    #[must_use]
    pub fn has(&self, name: &str) -> Option<bool> {
        self.0.get(name).copied()
    }
}

impl From<BTreeMap<Box<str>, bool>> for Abilities {
    fn from(said: BTreeMap<Box<str>, bool>) -> Self {
        Self(Arc::new(said))
    }
}

/// The connection that stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Which one.
    pub(crate) generation: Generation,
    /// To which server.
    pub(crate) server: ServerAddress,
    /// What that server can do.
    pub(crate) abilities: Abilities,
}

/// Where a link is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Created; no server is known yet.
    Initialised,
    /// Servers are known; the first connection is being made.
    Starting,
    /// A connection is believed good.
    Running,
    /// There was a connection; another one is being made.
    Unhealthy,
    /// Closed for good.
    ShutDown,
}

/// What happens to one link, to be watched.
///
/// ```no_run
/// # async fn example(client: nacrite_client::Client) {
/// client.naming(); // Begins to connect.
/// if let Some(mut state) = client.state().naming {
///     while state.changed().await.is_ok() {
///         let state = state.borrow_and_update();
///         println!("{:?}", state.phase);
///         if let Some(failure) = &state.failure {
///             println!("{failure}");
///         }
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LinkState {
    /// Where it is in its life.
    pub phase: Phase,
    /// The server it is connected to, or was last.
    pub server: Option<ServerAddress>,
    /// The number of that connection.
    pub generation: Option<Generation>,
    /// Why the last attempt to connect failed, or why the last connection was given up. `None` once a connection stands.
    pub failure: Option<ConnectFailure>,
    /// The steps of the last attempt to connect, in their order, as far as it came. They add up to its time.
    pub steps: Arc<[StepTaken]>,
    /// When it came into this phase.
    pub since: Instant,
}

/// One step of an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepTaken {
    /// Which one. [`Layer::Handshake`] is the question what server it is, [`Layer::Rejected`] the wait to be let in.
    pub layer: Layer,
    /// How long it took, whether it went well or not.
    pub took: Duration,
}

/// Takes the time of one step after the other.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    steps: Vec<StepTaken>,
    since: tokio::time::Instant,
}

impl Stopwatch {
    /// The first step begins now.
    pub(crate) fn start() -> Self {
        Self { steps: Vec::new(), since: clock::now() }
    }

    /// This step ends now, and the next one begins.
    pub(crate) fn lap(&mut self, layer: Layer) {
        let now = clock::now();
        self.steps.push(StepTaken { layer, took: now.saturating_duration_since(self.since) });
        self.since = now;
    }

    /// The steps that were gone.
    pub(crate) fn steps(&self) -> Arc<[StepTaken]> {
        self.steps.as_slice().into()
    }
}
