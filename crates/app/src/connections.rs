//! The connections of clients: who they are, what they must be told, when they were last heard of.
//!
//! The socket itself belongs to `nacrite-grpc`; it ends when [`Connection::close`] says so.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;
use nacrite_base::{ClientId, ConnectionId, Fault, Timestamp};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::limits::INTERESTS_PER_CLIENT_MAX;
use crate::push::outbox::Outbox;

/// The listener that a connection came in by. It alone decides what may be asked, never what the client says
/// (`reference/grpc.md`, 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// For clients.
    Clients,
    /// For other nodes.
    Nodes,
}

impl Listener {
    /// The name that refusals use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clients => "sdk",
            Self::Nodes => "cluster",
        }
    }
}

/// What a client said about itself when it set the connection up.
#[derive(Clone, Debug, Default)]
pub struct Introduction {
    /// The address that it gives for itself; trusted, and the one that gray rules see.
    pub client_ip: Arc<str>,
    /// Program and version, for example `Nacos-Java-Client:v3.1.0`.
    pub version: Arc<str>,
    /// Namespace of a config client.
    pub tenant: Option<Arc<str>>,
    /// Labels, as they were sent.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// It asked to negotiate abilities.
    pub negotiates: bool,
}

impl Introduction {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().rev().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }

    /// The application behind the connection; `-` if it gave none.
    #[must_use]
    pub fn app_name(&self) -> &str {
        self.label("AppName").filter(|name| !name.trim().is_empty()).unwrap_or("-")
    }

    /// Whether the client may register and subscribe (recorded: `conn-module-label`).
    #[must_use]
    pub fn is_naming_client(&self) -> bool {
        matches!(self.label("module"), Some("naming" | "ai"))
    }

    /// Whether it is a client of the kind that may be told to go elsewhere.
    #[must_use]
    pub fn is_sdk(&self) -> bool {
        self.label("source") == Some("sdk")
    }

    /// A label that the application gave to the whole client, sent with the prefix `app_`.
    #[must_use]
    pub fn app_label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().rev().find(|(key, _)| key.strip_prefix("app_") == Some(name));
        found.map(|(_, value)| &**value)
    }
}

/// One TCP connection of a client.
#[derive(Debug)]
pub struct Connection {
    /// Its name; also that of the client behind it.
    pub id: ConnectionId,
    /// The other end of the socket.
    pub remote: SocketAddr,
    /// The port it came in by.
    pub local_port: u16,
    /// The listener it came in by.
    pub listener: Listener,
    /// When it was accepted.
    pub opened_at: Timestamp,
    /// What the client must still be told.
    pub outbox: Outbox,
    /// Ends when the socket is to be closed.
    pub close: CancellationToken,
    introduction: OnceLock<Introduction>,
    registered: AtomicBool,
    active_at: AtomicU64,
    /// One bit per shard of the registry in which the client has something.
    shards: AtomicU64,
    /// Nobody heard the client end it.
    silent: AtomicBool,
    /// Since when the client takes no pushes; 0 if it does.
    blocked_since: AtomicU64,
    /// Services and configs that the client asked for.
    interests: AtomicUsize,
}

impl Connection {
    /// A connection that has just been accepted.
    #[must_use]
    pub fn new(id: ConnectionId, remote: SocketAddr, local_port: u16, listener: Listener, now: Timestamp) -> Self {
        Self::closed_by(CancellationToken::new(), id, remote, local_port, listener, now)
    }

    /// A connection that has just been accepted, and is to be closed with `close`.
    #[must_use]
    pub fn closed_by(
        close: CancellationToken,
        id: ConnectionId,
        remote: SocketAddr,
        local_port: u16,
        listener: Listener,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            remote,
            local_port,
            listener,
            opened_at: now,
            outbox: Outbox::new(),
            close,
            introduction: OnceLock::new(),
            registered: AtomicBool::new(false),
            active_at: AtomicU64::new(now.as_ms()),
            shards: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            blocked_since: AtomicU64::new(0),
            interests: AtomicUsize::new(0),
        }
    }

    /// What the client said about itself; `None` until it did.
    #[must_use]
    pub fn introduction(&self) -> Option<&Introduction> {
        self.introduction.get()
    }

    /// Whether requests on it are answered: its client introduced itself and was not ejected.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Acquire)
    }

    /// The client behind the connection.
    #[must_use]
    pub fn client(&self) -> ClientId {
        ClientId::Connection(self.id.clone())
    }

    /// The client was heard of.
    pub fn touch(&self, now: Timestamp) {
        self.active_at.store(now.as_ms(), Ordering::Relaxed);
    }

    /// When the client was last heard of.
    #[must_use]
    pub fn active_at(&self) -> Timestamp {
        Timestamp::from_ms(self.active_at.load(Ordering::Relaxed))
    }

    /// Notes that the client has something in a shard of the registry.
    pub fn mark_shard(&self, shard: usize) {
        self.shards.fetch_or(1 << shard, Ordering::Relaxed);
    }

    /// The shards in which the client has, or had, something.
    pub fn shards(&self) -> impl Iterator<Item = usize> {
        let bits = self.shards.load(Ordering::Relaxed);
        (0..u64::BITS as usize).filter(move |shard| bits & (1 << shard) != 0)
    }

    /// Whether the client may ask for one more service or config.
    ///
    /// # Errors
    /// [`Fault::OverLimit`] at [`INTERESTS_PER_CLIENT_MAX`].
    pub fn check_interests(&self) -> Result<(), Fault> {
        if self.interests.load(Ordering::Relaxed) >= INTERESTS_PER_CLIENT_MAX {
            let limit = format!("{INTERESTS_PER_CLIENT_MAX} subscriptions and listens of one connection");
            return Err(Fault::OverLimit { limit });
        }
        Ok(())
    }

    /// The client asked for one more service or config.
    pub fn add_interest(&self) {
        self.interests.fetch_add(1, Ordering::Relaxed);
    }

    /// The client asks for one service or config less.
    pub fn remove_interest(&self) {
        self.interests.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes that the connection ends because nobody hears the client: not the client ended it.
    pub fn fell_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// Whether the connection ends because nobody hears the client.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Notes that the client takes no more pushes.
    pub fn blocked(&self, now: Timestamp) {
        // The first moment counts; a failed exchange means that it was noted before.
        self.blocked_since.compare_exchange(0, now.as_ms(), Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    /// Notes that the client takes pushes again.
    pub fn unblocked(&self) {
        self.blocked_since.store(0, Ordering::Relaxed);
    }

    /// Since when the client takes no pushes.
    #[must_use]
    pub fn blocked_since(&self) -> Option<Timestamp> {
        Some(self.blocked_since.load(Ordering::Relaxed)).filter(|ms| *ms > 0).map(Timestamp::from_ms)
    }
}

/// What came of an introduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The connection is known now.
    Now,
    /// It was known before; the first introduction stays (recorded: `conn-duplicate-setup`).
    Before,
}

/// All connections whose clients introduced themselves.
#[derive(Debug, Default)]
pub struct Connections(RwLock<HashMap<ConnectionId, Arc<Connection>, foldhash::quality::FixedState>>);

impl Connections {
    /// The client behind a connection introduced itself.
    pub fn register(&self, connection: &Arc<Connection>, introduction: Introduction) -> Registered {
        let mut known = self.0.write();
        if connection.introduction.set(introduction).is_err() && known.contains_key(&connection.id) {
            return Registered::Before;
        }
        known.insert(connection.id.clone(), Arc::clone(connection));
        connection.registered.store(true, Ordering::Release);
        Registered::Now
    }

    /// Forgets a connection. Returns whether it was known.
    pub fn unregister(&self, id: &ConnectionId) -> bool {
        let removed = self.0.write().remove(id);
        removed.inspect(|connection| connection.registered.store(false, Ordering::Release)).is_some()
    }

    /// The connection of that name.
    #[must_use]
    pub fn get(&self, id: &ConnectionId) -> Option<Arc<Connection>> {
        self.0.read().get(id).cloned()
    }

    /// Whether the connection is known.
    #[must_use]
    pub fn contains(&self, id: &ConnectionId) -> bool {
        self.0.read().contains_key(id)
    }

    /// Every connection, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.0.read().values().cloned().collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.read().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduction(labels: &[(&str, &str)]) -> Introduction {
        let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Introduction { labels, ..Introduction::default() }
    }

    fn connection() -> Arc<Connection> {
        let remote = SocketAddr::from(([127, 0, 0, 1], 2));
        let id = ConnectionId::new("1_127.0.0.1_2");
        Arc::new(Connection::new(id, remote, 9848, Listener::Clients, Timestamp::from_ms(1)))
    }

    #[test]
    fn the_first_introduction_stays() {
        let (connections, connection) = (Connections::default(), connection());
        assert_eq!(connections.register(&connection, introduction(&[("module", "naming")])), Registered::Now);
        assert_eq!(connections.register(&connection, introduction(&[("module", "config")])), Registered::Before);
        assert!(connection.introduction().is_some_and(Introduction::is_naming_client));
    }

    #[test]
    fn only_naming_and_ai_clients_may_register() {
        for (module, may) in [("naming", true), ("ai", true), ("config", false), ("lock", false), ("Naming", false)] {
            assert_eq!(introduction(&[("module", module)]).is_naming_client(), may, "{module}");
        }
        assert!(!introduction(&[]).is_naming_client());
    }

    #[test]
    fn app_labels_carry_a_prefix() {
        let said = introduction(&[("app_Vipserver-Tag", "blue"), ("Vipserver-Tag", "plain")]);
        assert_eq!(said.app_label("Vipserver-Tag"), Some("blue"));
        assert_eq!(introduction(&[("AppName", " ")]).app_name(), "-");
    }

    #[test]
    fn a_connection_remembers_the_shards_it_touched() {
        let connection = connection();
        connection.mark_shard(3);
        connection.mark_shard(63);
        connection.mark_shard(3);
        assert_eq!(connection.shards().collect::<Vec<_>>(), [3, 63]);
    }
}
