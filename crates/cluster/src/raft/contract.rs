//! The adapters against what openraft asks of them: its own suite, a failing disk, a snapshot on a fresh node.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use nacrite_base::BoxError;
use nacrite_env::clock::SystemClock;
use nacrite_store::faulty::{Failure, FaultyDisk};
use nacrite_store::recover::{self, Opened};
use nacrite_store::{Batch, LogFile, StateReader, Table};
use openraft::entry::RaftEntry;
use openraft::storage::{
    IOFlushed, LogState, RaftLogStorage, RaftLogStorageExt, RaftSnapshotBuilder, RaftStateMachine,
};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{EntryPayload, OptionalSend, RaftLogReader, StorageError};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::raft::codec::Applied;
use crate::raft::fatal::{Fatal, OnFatal};
use crate::raft::log_store::{LogReading, LogShared, LogStore};
use crate::raft::log_writer::LogWriter;
use crate::raft::metrics::StateCounters;
use crate::raft::settings::RaftSettings;
use crate::raft::state_machine::StateMachine;
use crate::raft::state_thread::{Machine, StateContext, StateHandle};
use crate::raft::types::{Commands, Entry, LeaderId, LogId, Membership, Peer, TypeConfig, Vote};

/// Keeps each command under the number it has.
#[derive(Default)]
struct Rows {
    count: u64,
    loads: Arc<AtomicU64>,
}

impl Machine for Rows {
    fn load(&mut self, state: &StateReader) -> Result<(), BoxError> {
        self.count = state.view()?.scan_prefix(Table::History, b"")?.count() as u64;
        self.loads.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn apply(&mut self, _index: u64, command: &Bytes, batch: &mut Batch) -> Result<Bytes, BoxError> {
        batch.put(Table::History, &self.count.to_be_bytes(), command);
        self.count += 1;
        Ok(Bytes::copy_from_slice(&self.count.to_be_bytes()))
    }

    fn publish(&mut self) {}
}

/// Everything between openraft and the files of one node.
struct Node {
    log: LogStore,
    machine: StateMachine,
    reader: StateReader,
    loads: Arc<AtomicU64>,
}

async fn node(dir: &Path) -> Node {
    let settings = RaftSettings::default();
    let fatal = Arc::new(Fatal::new(OnFatal::new(|reason| panic!("{reason}"))));
    let Opened { dir, log, state, snapshots, .. } = recover::open(dir, &settings.store).expect("the directory opens");
    let shared = Arc::new(LogShared::open(&log, &settings).expect("the log can be read"));
    let clock = Arc::new(SystemClock::start());
    let context = StateContext {
        log: Arc::clone(&shared),
        counters: Arc::new(StateCounters::default()),
        clock: clock.clone(),
        fatal: Arc::clone(&fatal),
    };
    let lock = Arc::new(dir);
    let mark = state.reader().view().and_then(|view| view.applied()).expect("the state can be read");
    let applied = mark.map(|mark| Applied::read(mark).expect("a mark")).unwrap_or_default();
    let reader = state.reader();
    let rows = Rows::default();
    let loads = Arc::clone(&rows.loads);
    let (state, _) =
        StateHandle::start(state, applied, rows, &settings, context, Arc::clone(&lock)).await.expect("a thread");
    let (writer, _) =
        LogWriter::start(log, Arc::clone(&shared), &settings, clock, Arc::clone(&fatal), lock).expect("a thread");
    let machine = StateMachine::new(state, snapshots, fatal).expect("the snapshots can be listed");
    Node { log: LogStore::new(shared, writer), machine, reader, loads }
}

/// A log as openraft's suite expects it: it may begin anywhere. Ours begins at 0, as every real log does, so what comes
/// before is filled up.
struct Lenient(LogStore);

impl RaftLogStorage<TypeConfig> for Lenient {
    type LogReader = LogReading;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        self.0.get_log_state().await
    }

    async fn get_log_reader(&mut self) -> LogReading {
        self.0.get_log_reader().await
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.0.save_vote(vote).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.0.save_committed(committed).await
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        self.0.read_committed().await
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let first = entries.first().map_or(0, RaftEntry::index);
        if self.0.get_log_state().await?.last_log_id.is_none() {
            let before = (0..first).map(|index| Entry::new_blank(LogId::new(LeaderId { term: 0, node_id: 0 }, index)));
            self.0.append(before.collect::<Vec<_>>(), IOFlushed::noop()).await?;
        }
        self.0.append(entries, flushed).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.0.truncate_after(last).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        self.0.purge(log_id).await
    }
}

struct Nodes;

impl StoreBuilder<TypeConfig, Lenient, StateMachine, TempDir> for Nodes {
    async fn build(&self) -> Result<(TempDir, Lenient, StateMachine), StorageError<TypeConfig>> {
        let dir = TempDir::new().expect("a temporary directory");
        let node = node(dir.path()).await;
        Ok((dir, Lenient(node.log), node.machine))
    }
}

#[tokio::test(start_paused = true)]
async fn the_adapters_keep_the_contract_of_openraft() {
    Suite::test_all(Nodes).await.expect("openraft's suite passes");
}

fn log_id(index: u64) -> LogId {
    LogId::new(LeaderId { term: 3, node_id: 9 }, index)
}

fn entries(range: std::ops::Range<u64>) -> Vec<Entry> {
    let payload = |index: u64| EntryPayload::Normal(Commands::new(vec![Bytes::from(format!("command {index}"))]));
    range.map(|index| Entry::new(log_id(index), payload(index))).collect()
}

async fn apply(node: &mut Node, entries: Vec<Entry>) {
    let entries = entries.into_iter().map(|entry| Ok((entry, None)));
    node.machine.apply(futures_util::stream::iter(entries)).await.expect("the entries can be applied");
}

#[tokio::test]
async fn a_snapshot_is_installed_on_a_fresh_node() {
    let (from, to) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
    let mut leader = node(from.path()).await;
    let members = Membership::new(vec![[9].into()], std::collections::BTreeMap::from([(9, Peer::default())]));
    let mut all = vec![Entry::new(log_id(0), EntryPayload::Membership(members.expect("a membership")))];
    all.extend(entries(1..40));
    apply(&mut leader, all).await;
    let mut builder = leader.machine.try_create_snapshot_builder(true).await.expect("a builder");
    apply(&mut leader, entries(40..50)).await;
    let snapshot = builder.build_snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.meta.last_log_id, Some(log_id(39)));

    let mut fresh = node(to.path()).await;
    // As the lanes will do it: the bytes come into a file of the receiver.
    let received = to.path().join("incoming-3-39.tmp");
    std::fs::copy(snapshot.snapshot.path(), &received).expect("the bytes arrive");
    let received = nacrite_store::SnapshotFile::received(received, 3, 39);
    fresh.machine.install_snapshot(&snapshot.meta, received).await.expect("it is whole");
    assert_eq!(fresh.loads.load(Ordering::SeqCst), 2, "the machine was built anew");
    let applied = fresh.machine.applied_state().await.expect("it is known");
    assert_eq!((applied.0, applied.1.voter_ids().collect()), (Some(log_id(39)), vec![9]));
    let newest = fresh.machine.get_current_snapshot().await.expect("it is known").expect("there is one");
    assert_eq!(newest.meta, snapshot.meta);

    // From there on it follows the log like everybody else.
    apply(&mut fresh, entries(40..50)).await;
    let rows = |node: &Node| {
        let view = node.reader.view().expect("a view");
        let rows = view.scan_prefix(Table::History, b"").expect("a scan");
        rows.map(|row| row.expect("a row").value).collect::<Vec<_>>()
    };
    assert_eq!(rows(&fresh), rows(&leader));
    assert_eq!(rows(&fresh).len(), 49);
}

#[tokio::test]
async fn an_entry_can_be_read_before_it_is_on_disk() {
    let dir = TempDir::new().expect("a directory");
    let mut node = node(dir.path()).await;
    let mut reader = node.log.get_log_reader().await;
    node.log.append(entries(0..30), IOFlushed::noop()).await.expect("it is taken");
    let read = reader.try_get_log_entries(0..30).await.expect("it can be read");
    assert_eq!(read.iter().map(RaftEntry::index).collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_no_longer_fits_the_memory_is_read_from_disk() {
    let dir = TempDir::new().expect("a directory");
    let settings = RaftSettings { tail_bytes_max: 100, ..RaftSettings::default() };
    let opened = recover::open(dir.path(), &settings.store).expect("the directory opens");
    let shared = Arc::new(LogShared::open(&opened.log, &settings).expect("the log can be read"));
    let fatal = Arc::new(Fatal::new(OnFatal::new(|reason| panic!("{reason}"))));
    let clock = Arc::new(SystemClock::start());
    let writer = LogWriter::start(opened.log, Arc::clone(&shared), &settings, clock, fatal, opened.dir.into())
        .expect("a thread");
    let mut log = LogStore::new(shared, writer.0);
    for start in (0..100).step_by(10) {
        log.blocking_append(entries(start..start + 10)).await.expect("it is written");
    }
    let mut reader = log.get_log_reader().await;
    for range in [0..100, 3..5, 50..100, 97..100] {
        let read = reader.try_get_log_entries(range.clone()).await.expect("it can be read");
        assert_eq!(read.iter().map(RaftEntry::index).collect::<Vec<_>>(), range.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_failed_fsync_is_told_once_and_never_tried_again() {
    let disk = FaultyDisk::new();
    let settings = RaftSettings::default();
    let dir = TempDir::new().expect("a directory");
    let lock = recover::open(dir.path(), &settings.store).expect("the directory opens").dir;
    let log = LogFile::open_on(disk.clone(), 1 << 20).expect("an empty disk takes a log");
    let shared = Arc::new(LogShared::open(&log, &settings).expect("the log can be read"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let fatal = Arc::new(Fatal::new(OnFatal::new(move |reason| tell.lock().push(reason))));
    let clock = Arc::new(SystemClock::start());
    let (writer, _) =
        LogWriter::start(log, Arc::clone(&shared), &settings, clock, fatal, lock.into()).expect("a thread");
    let mut log = LogStore::new(shared, writer);
    log.save_vote(&Vote::new(3, 9)).await.expect("a sound disk takes a vote");
    log.blocking_append(entries(0..3)).await.expect("a sound disk takes entries");

    disk.fail(Failure::Sync);
    log.blocking_append(entries(3..5)).await.expect_err("the disk failed");
    let operations = disk.operations();
    log.blocking_append(entries(5..6)).await.expect_err("the log is closed for good");
    log.save_vote(&Vote::new(4, 9)).await.expect_err("the log is closed for good");
    assert_eq!(disk.operations(), operations, "nothing was written after the failure");
    assert_eq!(told.lock().len(), 1, "{told:?}");
    assert!(told.lock()[0].contains("the disk refused a write"), "{told:?}");
}
