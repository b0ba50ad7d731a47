//! Opening a journal: the files, what they must agree on, the threads, openraft, the first election.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;

use nacrite_base::BoxError;
use nacrite_env::{SharedClock, SharedRandom};
use nacrite_store::recover;
use nacrite_store::{
    Damage, DataDir, Durability, LogBatch, LogFile, Mark, OpenError, Opened, Part, Snapshots, StateFile,
};
use openraft::Raft;
use openraft::errors::{InitializeError, RaftError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::raft::codec::{self, Applied};
use crate::raft::compaction;
use crate::raft::fatal::{Fatal, OnFatal};
use crate::raft::journal::{Inner, Journal, Parts};
use crate::raft::log_store::{LogError, LogShared, LogStore};
use crate::raft::log_writer::LogWriter;
use crate::raft::metrics::StateCounters;
use crate::raft::network::NoPeers;
use crate::raft::proposer::{self, Proposals};
use crate::raft::settings::RaftSettings;
use crate::raft::state_machine::StateMachine;
use crate::raft::state_thread::{Machine, StateContext, StateHandle};
use crate::raft::types::{Membership, Peer, TypeConfig, Vote};

impl Journal {
    /// Opens the journal in `dir`, or makes a new one: a group of one node with a random id. Such a group leads a few
    /// milliseconds later ([`Journal::wait_ready`]); it does not wait for an election timeout.
    ///
    /// # Errors
    /// [`OpenError`], with one line for the operator. `on_fatal` may have been called as well.
    pub async fn open(
        dir: &Path,
        settings: RaftSettings,
        machine: impl Machine,
        clock: SharedClock,
        random: SharedRandom,
        on_fatal: OnFatal,
    ) -> Result<Self, OpenError> {
        let fatal = Arc::new(Fatal::new(on_fatal));
        let opening = Opening { dir, fatal: &fatal };
        let config = Arc::new(settings.to_openraft().map_err(|cause| opening.io(cause))?);
        let Prepared { node, log, shared, state, applied, snapshots, lock } = opening.prepare(&settings, &random)?;

        let (counters, reader) = (Arc::new(StateCounters::default()), state.reader());
        let context = StateContext {
            log: Arc::clone(&shared),
            counters: Arc::clone(&counters),
            clock: Arc::clone(&clock),
            fatal: Arc::clone(&fatal),
        };
        let (state, state_thread) = StateHandle::start(state, applied, machine, &settings, context, Arc::clone(&lock))
            .await
            .map_err(|error| opening.state_error(&error))?;
        let (log_writer, log_thread) =
            LogWriter::start(log, Arc::clone(&shared), &settings, clock, Arc::clone(&fatal), lock)
                .map_err(|error| opening.io(error.to_string()))?;
        let state_machine = StateMachine::new(state.clone(), snapshots, Arc::clone(&fatal))
            .map_err(|error| opening.io(error.to_string()))?;
        let log_store = LogStore::new(Arc::clone(&shared), log_writer.clone());
        let raft =
            Raft::new(node, config, NoPeers, log_store, state_machine).await.map_err(|error| opening.failed(&error))?;
        if let Err(error) = opening.lead(&raft, node).await {
            // It has failed already; ending it lets go of the files.
            drop(raft.shutdown().await);
            return Err(error);
        }
        info!(node, dir = %dir.display(), "the journal is open");

        let (proposals, incoming) = Proposals::new(&settings);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let stopped = || stop.clone().cancelled_owned();
        tasks.spawn(proposer::run(incoming, raft.clone(), Arc::clone(&fatal), stopped()));
        let (log, rules) = (Arc::clone(&shared), settings.clone());
        tasks.spawn(compaction::run(raft.clone(), log, rules, Arc::clone(&fatal), stopped()));
        let parts = Parts { log_writer, threads: vec![log_thread, state_thread] };
        Ok(Self(Arc::new(Inner {
            node,
            raft,
            proposals,
            propose_timeout: settings.propose_timeout,
            shutdown_timeout: settings.shutdown_timeout,
            reader,
            state,
            log: shared,
            state_counters: counters,
            fatal,
            stop,
            tasks,
            parts: tokio::sync::Mutex::new(Some(parts)),
        })))
    }
}

/// The files, open and in agreement.
struct Prepared {
    node: u64,
    log: LogFile,
    shared: Arc<LogShared>,
    state: StateFile,
    applied: Applied,
    snapshots: Snapshots,
    lock: Arc<DataDir>,
}

/// What every step of opening needs.
struct Opening<'a> {
    dir: &'a Path,
    fatal: &'a Fatal,
}

impl Opening<'_> {
    fn prepare(&self, settings: &RaftSettings, random: &SharedRandom) -> Result<Prepared, OpenError> {
        let Opened { dir: lock, mut log, state, snapshots, findings } = recover::open(self.dir, &settings.store)?;
        for finding in findings {
            warn!(%finding, "the data directory was not closed properly");
        }
        let applied = self.applied(&state)?;
        let node = self.node(&mut log, &snapshots, random)?;
        let shared = Arc::new(LogShared::open(&log, settings).map_err(|error| self.log_error(error))?);
        self.check_agreement(&shared, &applied, &snapshots)?;
        Ok(Prepared { node, log, shared, state, applied, snapshots, lock: Arc::new(lock) })
    }

    /// How far the state goes.
    fn applied(&self, state: &StateFile) -> Result<Applied, OpenError> {
        let mark = state.reader().view().and_then(|view| view.applied()).map_err(|error| self.io(error.to_string()))?;
        let Some(mark) = mark else {
            return Ok(Applied::default());
        };
        Applied::read(mark).map_err(|error| damaged(Part::State, "its mark of what is applied", error.to_string()))
    }

    /// The id of this node: the one it has, or a new one.
    ///
    /// A log without an id is new. If there is a snapshot nevertheless, the log was taken away to start again from that
    /// snapshot: a group of one then keeps its id, and its vote must not be older than what the snapshot holds.
    fn node(&self, log: &mut LogFile, snapshots: &Snapshots, random: &SharedRandom) -> Result<u64, OpenError> {
        let in_dir = |error: nacrite_store::StoreError| self.io(error.to_string());
        let known = log.reader().view().and_then(|view| view.mark(Mark::Node)).map_err(in_dir)?;
        if let Some(known) = known {
            let id =
                known.try_into().map_err(|_| damaged(Part::Log, "the mark `node`", "it is no number".to_owned()))?;
            return Ok(u64::from_le_bytes(id));
        }
        let mut batch = LogBatch::new();
        let id = match self.sole_member(snapshots)? {
            Some((id, term)) => {
                warn!(node = id, term, "the log is new; this group of one starts again from its newest snapshot");
                batch.set(Mark::Vote, &codec::write_vote(&Vote::new(term, id)));
                id
            }
            None => random.next_u64(),
        };
        batch.set(Mark::Node, &id.to_le_bytes());
        log.write(&batch, Durability::Immediate).map_err(in_dir)?;
        Ok(id)
    }

    /// The only voter of the newest snapshot, and the term of the last entry in it.
    fn sole_member(&self, snapshots: &Snapshots) -> Result<Option<(u64, u64)>, OpenError> {
        let listed = snapshots.list().map_err(|error| self.io(error.to_string()))?;
        let Some(newest) = listed.first() else { return Ok(None) };
        let read = || -> Result<_, BoxError> { Ok(Applied::read(newest.content()?.applied().to_vec())?) };
        let newest = read().map_err(|error| damaged(Part::Snapshot, "its head", error.to_string()))?;
        let voters: Vec<u64> = newest.membership.voter_ids().collect();
        Ok(match (voters.as_slice(), newest.log_id) {
            ([id], Some(log_id)) => Some((*id, log_id.leader_id.term)),
            _ => None,
        })
    }

    /// The state never knows more than the log, unless a snapshot brought it: else the log has lost what was
    /// acknowledged.
    fn check_agreement(&self, log: &LogShared, applied: &Applied, snapshots: &Snapshots) -> Result<(), OpenError> {
        let (last, applied) = (log.last().map(|log_id| log_id.index), applied.log_id.map(|log_id| log_id.index));
        let listed = snapshots.list().map_err(|error| self.io(error.to_string()))?;
        let by_snapshot = listed.iter().map(|snapshot| snapshot.index).max();
        if applied <= last.max(by_snapshot) {
            return Ok(());
        }
        let seen = format!("it ends there, but the state has applied index {}", applied.unwrap_or_default());
        Err(damaged(Part::Log, &format!("index {}", last.unwrap_or_default()), seen))
    }

    /// Makes a new node the only member of its group, and a group of one lead at once.
    ///
    /// Nobody waits for the heartbeats of a group of one and nobody else can be elected in it, so openraft's clock is
    /// stopped: an idle server then wakes up for nothing. Whoever adds a second node has to start it first.
    async fn lead(&self, raft: &Raft<TypeConfig, StateMachine>, node: u64) -> Result<(), OpenError> {
        let membership = raft
            .with_raft_state(|state| state.membership_state.effective().membership().clone())
            .await
            .map_err(|error| self.failed(&error))?;
        let is_new = membership == Membership::default();
        if !is_new && !membership.nodes().map(|(id, _)| *id).eq([node]) {
            return Ok(());
        }
        raft.runtime_config().tick(false);
        if !is_new {
            return raft.trigger().elect(false).await.map_err(|error| self.failed(&error));
        }
        match raft.initialize(BTreeMap::from([(node, Peer::default())])).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn log_error(&self, error: LogError) -> OpenError {
        match error {
            LogError::Store(nacrite_store::StoreError::Damaged(damage)) => damage.into(),
            other => self.io(other.to_string()),
        }
    }

    fn state_error(&self, error: &io::Error) -> OpenError {
        let cause = self.fatal.reason().map_or_else(|| error.to_string(), str::to_owned);
        damaged(Part::State, "a row", cause)
    }

    /// openraft gave up: because of what was told, if anything was.
    fn failed(&self, error: &impl Display) -> OpenError {
        self.io(self.fatal.reason().map_or_else(|| error.to_string(), str::to_owned))
    }

    fn io(&self, cause: String) -> OpenError {
        OpenError::Io { path: self.dir.to_owned(), cause }
    }
}

fn damaged(part: Part, place: &str, seen: String) -> OpenError {
    Damage { part, place: place.to_owned(), seen }.into()
}
