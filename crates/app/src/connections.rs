//! The connections of clients: who they are, what they must be told, when they were last heard of.
//!
//! The socket itself belongs to `nacrite-grpc`; it ends when [`Connection::close`] says so.

mod known;
mod traffic;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use nacrite_base::{ClientId, ConnectionId, Fault, Timestamp};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use self::known::Known;
pub use self::traffic::{Carried, Traffic};
use crate::control::Mode;
use crate::control::limit::{LimitRule, Over};
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
    /// What went over it.
    pub traffic: Traffic,
    introduction: OnceLock<Introduction>,
    registered: AtomicBool,
    traced: AtomicBool,
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
            traffic: Traffic::default(),
            introduction: OnceLock::new(),
            registered: AtomicBool::new(false),
            traced: AtomicBool::new(false),
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

    /// Whether an operator wants to see every request of its client in the log.
    #[must_use]
    pub fn is_traced(&self) -> bool {
        self.traced.load(Ordering::Relaxed)
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
    /// It is known now, though it exceeds a limit, because that is only to be watched.
    Above(Over),
    /// It was known before; the first introduction stays (recorded: `conn-duplicate-setup`).
    Before,
    /// It exceeds a limit, and is to be closed.
    Refused(Over),
}

/// Connections per address and per application, the most first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// All connections.
    pub total: usize,
    /// Those of clients that can be told to go elsewhere.
    pub sdk: usize,
    /// By the address that the client gives for itself.
    pub by_ip: Vec<(Arc<str>, usize)>,
    /// By application; `-` for those that name none.
    pub by_app: Vec<(Arc<str>, usize)>,
}

/// All connections whose clients introduced themselves.
#[derive(Debug, Default)]
pub struct Connections(RwLock<Known>);

impl Connections {
    /// None yet, and no more than the rule allows.
    #[must_use]
    pub fn limited(rule: LimitRule) -> Self {
        Self(RwLock::new(Known::under(rule)))
    }

    /// The client behind a connection introduced itself.
    pub fn register(&self, connection: &Arc<Connection>, introduction: Introduction) -> Registered {
        let mut known = self.0.write();
        if known.connections.contains_key(&connection.id) {
            return Registered::Before;
        }
        // A client that was ejected may introduce itself anew, and is who it was.
        let said = connection.introduction.get_or_init(|| introduction);
        let over = known.exceeded(connection.listener, said);
        if let Some(over) = over.filter(|_| known.rule.mode == Mode::Intercept) {
            return Registered::Refused(over);
        }
        connection.traced.store(known.rule.traced.contains(&*said.client_ip), Ordering::Relaxed);
        known.insert(connection, said);
        connection.registered.store(true, Ordering::Release);
        over.map_or(Registered::Now, Registered::Above)
    }

    /// Forgets a connection. Returns whether it was known.
    pub fn unregister(&self, id: &ConnectionId) -> bool {
        let removed = self.0.write().remove(id);
        removed.inspect(|connection| connection.registered.store(false, Ordering::Release)).is_some()
    }

    /// Replaces the rule of how many there may be. Those that are there stay, and are traced from now on, or no more.
    pub fn set_rule(&self, rule: LimitRule) {
        let mut known = self.0.write();
        for connection in known.connections.values() {
            let is_traced = connection.introduction().is_some_and(|said| rule.traced.contains(&*said.client_ip));
            connection.traced.store(is_traced, Ordering::Relaxed);
        }
        known.rule = rule;
    }

    /// The rule of how many there may be.
    #[must_use]
    pub fn rule(&self) -> LimitRule {
        self.0.read().rule.clone()
    }

    /// How many there are, by whom. Cost: addresses and applications.
    #[must_use]
    pub fn census(&self) -> Census {
        let known = self.0.read();
        let (by_ip, by_app) = known.counts();
        Census { total: known.connections.len(), sdk: known.sdk, by_ip, by_app }
    }

    /// How many clients there are that can be told to go elsewhere.
    #[must_use]
    pub fn sdk_len(&self) -> usize {
        self.0.read().sdk
    }

    /// The connection of that name.
    #[must_use]
    pub fn get(&self, id: &ConnectionId) -> Option<Arc<Connection>> {
        self.0.read().connections.get(id).cloned()
    }

    /// Whether the connection is known.
    #[must_use]
    pub fn contains(&self, id: &ConnectionId) -> bool {
        self.0.read().connections.contains_key(id)
    }

    /// Every connection, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.0.read().connections.values().cloned().collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.read().connections.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.read().connections.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduction(labels: &[(&str, &str)]) -> Introduction {
        let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Introduction { labels, ..Introduction::default() }
    }

    fn connection_of(number: usize) -> Connection {
        let remote = SocketAddr::from(([127, 0, 0, 1], 2));
        let id = ConnectionId::new(&format!("{number}_127.0.0.1_2"));
        Connection::new(id, remote, 9848, Listener::Clients, Timestamp::from_ms(1))
    }

    fn connection() -> Arc<Connection> {
        Arc::new(connection_of(1))
    }

    /// A connection of an SDK from an address.
    fn from(number: usize, ip: &str) -> (Arc<Connection>, Introduction) {
        let said = introduction(&[("source", "sdk"), ("AppName", "shop")]);
        (Arc::new(connection_of(number)), Introduction { client_ip: ip.into(), ..said })
    }

    #[test]
    fn the_first_introduction_stays() {
        let (connections, connection) = (Connections::default(), connection());
        assert_eq!(connections.register(&connection, introduction(&[("module", "naming")])), Registered::Now);
        assert_eq!(connections.register(&connection, introduction(&[("module", "config")])), Registered::Before);
        assert!(connection.introduction().is_some_and(Introduction::is_naming_client));
    }

    #[test]
    fn counts_follow_what_comes_and_goes() {
        let connections = Connections::default();
        let all: Vec<_> = ["a", "a", "b"].iter().enumerate().map(|(at, ip)| from(at, ip)).collect();
        for (connection, said) in &all {
            assert_eq!(connections.register(connection, said.clone()), Registered::Now);
        }
        let counted = |of: &[(Arc<str>, usize)]| of.iter().map(|(k, n)| format!("{k} {n}")).collect::<Vec<_>>();
        let census = connections.census();
        assert_eq!((census.total, census.sdk, connections.sdk_len()), (3, 3, 3));
        assert_eq!(counted(&census.by_ip), ["a 2", "b 1"]);
        assert_eq!(counted(&census.by_app), ["shop 3"]);
        for (connection, _) in &all {
            assert!(connections.unregister(&connection.id) && !connections.unregister(&connection.id));
        }
        assert_eq!(connections.census(), Census::default());
    }

    #[test]
    fn a_connection_above_a_limit_is_refused_unless_it_is_only_watched() {
        let connections = Connections::default();
        let rule = LimitRule { per_ip: Some(1), ..LimitRule::default() };
        connections.set_rule(rule.clone());
        let [first, second, third] = [0, 1, 2].map(|at| from(at, "a"));
        assert_eq!(connections.register(&first.0, first.1), Registered::Now);
        assert_eq!(connections.register(&second.0, second.1.clone()), Registered::Refused(Over::ClientIp(1)));
        assert!(!second.0.is_registered());
        connections.set_rule(LimitRule { mode: Mode::Monitor, ..rule });
        assert_eq!(connections.register(&second.0, second.1), Registered::Above(Over::ClientIp(1)));
        let node = Connection { listener: Listener::Nodes, ..connection_of(3) };
        connections.set_rule(LimitRule { total: Some(0), ..LimitRule::default() });
        assert_eq!(connections.register(&Arc::new(node), third.1), Registered::Now);
    }

    #[test]
    fn a_rule_traces_those_that_are_there_and_those_that_come() {
        let connections = Connections::default();
        let [first, second] = [0, 1].map(|at| from(at, "a"));
        connections.register(&first.0, first.1);
        connections.set_rule(LimitRule { traced: ["a".to_owned()].into_iter().collect(), ..LimitRule::default() });
        connections.register(&second.0, second.1);
        assert!(first.0.is_traced() && second.0.is_traced());
        connections.set_rule(LimitRule::default());
        assert!(!first.0.is_traced() && !second.0.is_traced());
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
