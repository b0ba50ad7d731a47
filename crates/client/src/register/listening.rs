//! What a framework says about a server that it is going to run, and how it is told to stop.

use std::net::SocketAddr;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::connections::Connections;
use super::probe::Probe;

/// A server whose port is bound: what the registration needs to know of it.
#[derive(Clone, Debug)]
pub struct Listening {
    pub(super) at: SocketAddr,
    pub(super) probe: Probe,
    pub(super) metadata: Vec<(String, String)>,
    pub(super) connections: Connections,
}

impl Listening {
    /// A server bound to this address. Port 0 is no address of a server: say which port was found.
    #[must_use]
    pub fn at(at: SocketAddr) -> Self {
        Self { at, probe: Probe::Connect, metadata: Vec::new(), connections: Connections::default() }
    }

    /// How to ask it whether its handlers answer; by connecting if it is not given.
    #[must_use]
    pub fn probe(mut self, probe: Probe) -> Self {
        self.probe = probe;
        self
    }

    /// Adds a text to the metadata of its instance; what the settings say under the same key wins.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// The framework that runs it, and its version; metadata `framework`.
    #[must_use]
    pub fn framework(self, name: &str, version: &str) -> Self {
        self.metadata("framework", format!("{name} {version}"))
    }

    /// Its connections, which are cut when there is no more time for them.
    #[must_use]
    pub fn connections(mut self, connections: Connections) -> Self {
        self.connections = connections;
        self
    }
}

/// Tells a server to accept nobody new and to finish what is under way.
#[derive(Clone, Debug)]
pub struct Stop(pub(super) CancellationToken);

impl Stop {
    /// Ends when the server is to stop.
    pub fn stopping(self) -> WaitForCancellationFutureOwned {
        self.0.cancelled_owned()
    }
}
