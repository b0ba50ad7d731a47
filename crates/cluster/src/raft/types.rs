//! The types that openraft is built with.
//!
//! An entry of the log holds a batch of commands, so that many writers share one entry, one fsync and one transaction.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

openraft::declare_raft_types!(
    /// Everything openraft is generic over.
    pub(crate) TypeConfig:
        D = Commands,
        R = Answers,
        NodeId = u64,
        Node = Peer,
);

pub(crate) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
pub(crate) type LeaderId = openraft::type_config::alias::LeaderIdOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, Peer>;
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;

/// Commands that stand in one entry. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Commands(Arc<[Bytes]>);

impl Commands {
    pub(crate) fn new(commands: Vec<Bytes>) -> Self {
        Self(commands.into())
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Bytes> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn len_bytes(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }
}

/// openraft prints entries; contents of configs have no place in a log.
impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} commands of {} bytes", self.len(), self.len_bytes())
    }
}

/// What the commands of one entry were answered, in their order.
#[derive(Debug, Default)]
pub(crate) struct Answers(pub(crate) Vec<Bytes>);

/// A node, as the others reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    /// `host:port` for nodes; empty as long as the group has one node.
    pub(crate) address: String,
}

/// A snapshot, as openraft hands it on.
pub(crate) type RaftSnapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, nacrite_store::SnapshotFile>;
