//! The keys by which things are found: services, configs, connections, clients.

use std::fmt;
use std::sync::Arc;

use crate::name::{DataId, GroupName, Host, NamespaceId, ServiceName};

/// One service inside one namespace. Shown in logs as `namespace#group@@name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Where the service lives.
    pub namespace: NamespaceId,
    /// Its group.
    pub group: GroupName,
    /// Its name without the group.
    pub name: ServiceName,
}

impl ServiceKey {
    /// The group and the name as clients write them in one word: `group@@name`.
    #[must_use]
    pub fn grouped(&self) -> String {
        format!("{}@@{}", self.group, self.name)
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@@{}", self.namespace, self.group, self.name)
    }
}

/// One config inside one namespace. Shown in logs as `namespace#group#dataId`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigKey {
    /// Where the config lives; callers call it `tenant`.
    pub namespace: NamespaceId,
    /// Its group.
    pub group: GroupName,
    /// Its name inside the group.
    pub data_id: DataId,
}

impl fmt::Display for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.namespace, self.group, self.data_id)
    }
}

/// One TCP connection of a client, as it is told to the client: `<epoch ms>_<remote ip>_<remote port>`. Only
/// `nacrite-grpc` makes these; everyone else compares them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    /// Takes the text that identifies the connection.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether instances live as long as their client, or until somebody removes them. Belongs to a service: the first
/// registration fixes it (`reference/semantics.md`, 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Gone with the connection or the heart-beat.
    Ephemeral,
    /// Kept on disk until it is deregistered.
    Persistent,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ephemeral => "ephemeral",
            Self::Persistent => "persistent",
        })
    }
}

/// Who owns instances and subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientId {
    /// A client that holds a connection; what it owns goes with the connection.
    Connection(ConnectionId),
    /// A client that is known by an address alone: kept alive by heart-beats if ephemeral.
    Address {
        /// The address that the client gave for its instance.
        host: Host,
        /// Its port.
        port: u16,
        /// Whether it must beat.
        kind: Kind,
    },
}

impl ClientId {
    /// The kind of the instances that it publishes.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Connection(_) => Kind::Ephemeral,
            Self::Address { kind, .. } => *kind,
        }
    }
}

impl fmt::Display for ClientId {
    /// Writes the id as Nacos shows it: the connection id, or `ip:port#ephemeral`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(id) => id.fmt(f),
            Self::Address { host, port, kind } => write!(f, "{host}:{port}#{}", *kind == Kind::Ephemeral),
        }
    }
}
