//! The connections that are registered, with the counts that limits and operators ask for.
//!
//! Everything is counted when a connection comes and when it goes, so that no question costs a walk over all of them.

use std::sync::Arc;

use hashbrown::HashMap;
use nacrite_base::ConnectionId;

use super::{Connection, Introduction, Listener};
use crate::control::limit::{LimitRule, Over, Present};

type Fixed = foldhash::quality::FixedState;

/// How many there are of each.
pub(super) type Counts = Vec<(Arc<str>, usize)>;

/// Registered connections.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) connections: HashMap<ConnectionId, Arc<Connection>, Fixed>,
    by_ip: HashMap<Arc<str>, usize, Fixed>,
    by_app: HashMap<Arc<str>, usize, Fixed>,
    /// Connections by the port for nodes. They count against no limit: without them a cluster could not heal.
    of_nodes: usize,
    /// Connections of clients that can be told to go elsewhere.
    pub(super) sdk: usize,
    pub(super) rule: LimitRule,
}

impl Known {
    /// None yet.
    pub(super) fn under(rule: LimitRule) -> Self {
        Self { rule, ..Self::default() }
    }

    /// The limit that one more connection would exceed.
    pub(super) fn exceeded(&self, listener: Listener, said: &Introduction) -> Option<Over> {
        if listener == Listener::Nodes {
            return None;
        }
        let count = |counts: &HashMap<Arc<str>, usize, Fixed>, key: &str| counts.get(key).copied().unwrap_or(0);
        let (ip, app) = (&*said.client_ip, said.app_name());
        self.rule.exceeded(&Present {
            ip,
            app,
            total: self.connections.len() - self.of_nodes,
            of_ip: count(&self.by_ip, ip),
            of_app: count(&self.by_app, app),
        })
    }

    pub(super) fn insert(&mut self, connection: &Arc<Connection>, said: &Introduction) {
        if self.connections.insert(connection.id.clone(), Arc::clone(connection)).is_some() {
            return;
        }
        if connection.listener == Listener::Nodes {
            self.of_nodes += 1;
        }
        if said.is_sdk() {
            self.sdk += 1;
        }
        *self.by_ip.entry(Arc::clone(&said.client_ip)).or_default() += 1;
        *self.by_app.entry(said.app_name().into()).or_default() += 1;
    }

    pub(super) fn remove(&mut self, id: &ConnectionId) -> Option<Arc<Connection>> {
        let connection = self.connections.remove(id)?;
        if connection.listener == Listener::Nodes {
            self.of_nodes -= 1;
        }
        if let Some(said) = connection.introduction() {
            if said.is_sdk() {
                self.sdk -= 1;
            }
            take_one(&mut self.by_ip, &said.client_ip);
            take_one(&mut self.by_app, said.app_name());
        }
        Some(connection)
    }

    /// Connections per address and per application, the most first.
    pub(super) fn counts(&self) -> (Counts, Counts) {
        let sorted = |counts: &HashMap<Arc<str>, usize, Fixed>| {
            let mut sorted: Vec<_> = counts.iter().map(|(key, count)| (Arc::clone(key), *count)).collect();
            sorted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            sorted
        };
        (sorted(&self.by_ip), sorted(&self.by_app))
    }
}

fn take_one(counts: &mut HashMap<Arc<str>, usize, Fixed>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
