//! An endpoint, and what is known about the way to it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The largest weight that makes a difference. Nacos refuses more than 10,000; a hundred times that keeps sums of weights
/// far from where numbers lose digits.
pub const WEIGHT_MAX: f64 = 1_000_000.0;

/// One address that can take calls. Two endpoints of the same host and port are the same one; everything else may change
/// without a new connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Name or IP address, without brackets.
    pub host: Arc<str>,
    /// 1 to 65535.
    pub port: u16,
    /// Its share of the calls: 0 and above, finite. 0 takes none and keeps its connection.
    pub weight: f64,
    /// Where it is: the cluster of a registry. Callers may prefer their own.
    pub locality: Arc<str>,
    /// Whether it is spoken to over TLS; `None` if the caller decides.
    pub secure: Option<bool>,
    /// What its owner says about it.
    pub metadata: Arc<BTreeMap<String, String>>,
}

impl Endpoint {
    /// An endpoint of weight 1 that says nothing about itself.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let metadata = Arc::default();
        Self { host: host.into(), port, weight: 1.0, locality: Arc::from(""), secure: None, metadata }
    }

    /// Whether both are at the same address.
    #[must_use]
    pub fn is_at(&self, other: &Self) -> bool {
        self.port == other.port && self.host == other.host
    }

    /// Its weight as policies count it: nonsense counts as 0, and nothing counts more than [`WEIGHT_MAX`].
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.weight > 0.0 { self.weight.min(WEIGHT_MAX) } else { 0.0 }
    }
}

/// `host:port`, with brackets around an IPv6 address: how logs and reasons name it.
impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

/// How far the connection to an endpoint came, in gRPC's words.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Connectivity {
    /// Nobody asked for a connection.
    #[default]
    Idle,
    /// One is being made.
    Connecting,
    /// Calls can be sent.
    Ready,
    /// It could not be made or broke; the next attempt waits for the end of a pause.
    TransientFailure,
    /// It will not come back.
    Shutdown,
}

/// What an endpoint has to do at this moment. Shared by everybody who sends calls to it.
#[derive(Debug, Default)]
pub struct Load(AtomicU32);

impl Load {
    /// How many calls are under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// A call begins; it ends when what is returned is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.0.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }
}

/// A call that is under way.
#[derive(Debug)]
pub struct InFlight(Arc<Load>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An endpoint among the others, with what is known about it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who it is.
    pub endpoint: Arc<Endpoint>,
    /// How far its connection came.
    pub state: Connectivity,
    /// Why it is not ready, in words. Stands from a failure until it is ready, also while it is tried again.
    pub reason: Option<Arc<str>>,
    /// Whether it failed so often that it takes no calls for a while.
    pub ejected: bool,
    /// What it has to do.
    pub load: Arc<Load>,
}

impl Member {
    /// A member that is not connected.
    #[must_use]
    pub fn idle(endpoint: Endpoint) -> Self {
        let state = Connectivity::Idle;
        Self { endpoint: Arc::new(endpoint), state, reason: None, ejected: false, load: Arc::default() }
    }

    /// Whether calls may be sent to it now.
    #[must_use]
    pub fn takes_calls(&self) -> bool {
        self.state == Connectivity::Ready && !self.ejected && self.endpoint.weight > 0.0
    }

    /// Whether it failed and was not ready since. Trying again does not end it: calls would wait for what fails again and
    /// again (gRFC A62 calls this sticky).
    #[must_use]
    pub fn is_failing(&self) -> bool {
        match self.state {
            Connectivity::Idle | Connectivity::Connecting => self.reason.is_some(),
            Connectivity::Ready => false,
            Connectivity::TransientFailure | Connectivity::Shutdown => true,
        }
    }
}
