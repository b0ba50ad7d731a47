//! A small machine: `key=value` sets, `!` is unknown, `~` panics, `?` waits until the test lets it go on. Plus what every
//! test needs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use nacrite_base::BoxError;
use nacrite_cluster::raft::{Journal, Machine, OnFatal, RaftSettings};
use nacrite_env::clock::SystemClock;
use nacrite_env::random::SeededRandom;
use nacrite_store::{Batch, OpenError, StateReader, Table};
use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

/// What the machine and its test share.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Inner>);

#[derive(Default)]
struct Inner {
    known: Mutex<Known>,
    changed: Condvar,
}

#[derive(Default)]
struct Known {
    /// What readers were told.
    published: BTreeMap<String, String>,
    is_open: bool,
    fatal: Vec<String>,
}

impl Shared {
    /// What readers were told so far.
    pub(crate) fn published(&self) -> BTreeMap<String, String> {
        self.0.known.lock().published.clone()
    }

    /// Lets commands that wait go on.
    pub(crate) fn release(&self) {
        self.0.known.lock().is_open = true;
        self.0.changed.notify_all();
    }

    /// Why the node could not go on.
    pub(crate) fn fatal(&self) -> Vec<String> {
        self.0.known.lock().fatal.clone()
    }

    fn wait(&self) {
        let mut known = self.0.known.lock();
        while !known.is_open {
            self.0.changed.wait(&mut known);
        }
    }
}

pub(crate) struct KeyValue {
    shared: Shared,
    pending: Vec<(String, String)>,
}

impl Machine for KeyValue {
    fn load(&mut self, state: &StateReader) -> Result<(), BoxError> {
        self.shared.0.known.lock().published = rows(state)?;
        Ok(())
    }

    fn apply(&mut self, _index: u64, command: &Bytes, batch: &mut Batch) -> Result<Bytes, BoxError> {
        let text = std::str::from_utf8(command)?;
        if text == "?" {
            self.shared.wait();
            return Ok(Bytes::new());
        }
        assert_ne!(text, "~", "a machine that breaks");
        let (key, value) = text.split_once('=').ok_or("a command that nobody knows")?;
        batch.put(Table::Config, key.as_bytes(), value.as_bytes());
        self.pending.push((key.to_owned(), value.to_owned()));
        Ok(Bytes::copy_from_slice(value.as_bytes()))
    }

    fn publish(&mut self) {
        self.shared.0.known.lock().published.extend(self.pending.drain(..));
    }
}

/// What is stored.
pub(crate) fn rows(state: &StateReader) -> Result<BTreeMap<String, String>, BoxError> {
    let mut rows = BTreeMap::new();
    for row in state.view()?.scan_prefix(Table::Config, b"")? {
        let row = row?;
        rows.insert(String::from_utf8(row.key)?, String::from_utf8(row.value)?);
    }
    Ok(rows)
}

pub(crate) fn dir() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

pub(crate) async fn try_open(dir: &Path, settings: RaftSettings, shared: &Shared) -> Result<Journal, OpenError> {
    let machine = KeyValue { shared: shared.clone(), pending: Vec::new() };
    let told = shared.clone();
    let on_fatal = OnFatal::new(move |reason| told.0.known.lock().fatal.push(reason));
    let (clock, random) = (Arc::new(SystemClock::start()), Arc::new(SeededRandom::from_system()));
    Journal::open(dir, settings, machine, clock, random, on_fatal).await
}

/// An open journal that leads.
pub(crate) async fn open(dir: &Path) -> (Journal, Shared) {
    open_with(dir, RaftSettings::default()).await
}

pub(crate) async fn open_with(dir: &Path, settings: RaftSettings) -> (Journal, Shared) {
    let shared = Shared::default();
    let journal = try_open(dir, settings, &shared).await.expect("the journal opens");
    assert!(journal.wait_ready(std::time::Duration::from_secs(20)).await, "a group of one leads");
    (journal, shared)
}

pub(crate) async fn set(journal: &Journal, key: &str, value: &str) {
    let committed = journal.propose(format!("{key}={value}").into()).await.expect("it is committed");
    assert_eq!(committed.answer, value.as_bytes());
}

/// A copy of a directory that is in use, as the disk shows it at this moment.
pub(crate) fn copy(from: &Path) -> TempDir {
    let to = dir();
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).expect("a copy");
    }
    to
}

/// Runs beside the test, which waits for it.
#[expect(clippy::disallowed_methods, reason = "every test awaits what it starts")]
pub(crate) fn beside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(work)
}
