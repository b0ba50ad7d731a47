//! The way to other nodes. A group of one has none: every call says so.
//!
//! The lanes between nodes (`lanes`, authenticated links with one stream each for votes, entries and snapshots) will
//! implement [`RaftNetworkV2`] in this place; nothing else of the journal knows whether there are peers.

use std::future::Future;

use nacrite_store::SnapshotFile;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::network::v2::RaftNetworkV2;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{OptionalSend, RaftNetworkFactory};

use crate::raft::types::{Peer, RaftSnapshot, TypeConfig, Vote};

/// Reaches nobody.
#[derive(Debug)]
pub(crate) struct NoPeers;

/// There is no other node.
#[derive(Debug, thiserror::Error)]
#[error("this node has no peers")]
struct NoPeer;

fn unreachable() -> Unreachable<TypeConfig> {
    Unreachable::new(&NoPeer)
}

impl RaftNetworkFactory<TypeConfig> for NoPeers {
    type Network = Self;

    async fn new_client(&mut self, _target: u64, _node: &Peer) -> Self::Network {
        Self
    }
}

impl RaftNetworkV2<TypeConfig> for NoPeers {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(unreachable()))
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(unreachable()))
    }

    /// Answered like a vote: the default would take silence for a yes.
    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.vote(request, option).await
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: RaftSnapshot,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(StreamingError::Unreachable(unreachable()))
    }
}
