//! The thread that applies what was agreed on: it owns the state file and the machine.
//!
//! Entries are applied in their order, as many as are ready in one transaction; then readers see them, then the machine
//! tells what follows, then whoever proposed them is answered. Writing the state down for good waits for a pause, since
//! what a crash takes comes again from the log. It is never written down further than the log is on disk: else a crash
//! could leave a state that knows entries which the log has lost.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use nacrite_base::{BoxError, Timestamp};
use nacrite_env::SharedClock;
use nacrite_env::threads::spawn_guarded;
use nacrite_store::{Batch, DataDir, SnapshotFile, StateFile, StateReader, StateView};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::storage::ApplyResponder;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::raft::codec::{self, Applied};
use crate::raft::fatal::Fatal;
use crate::raft::log_store::LogShared;
use crate::raft::metrics::StateCounters;
use crate::raft::settings::RaftSettings;
use crate::raft::types::{Answers, Commands, Entry, StoredMembership, TypeConfig};

/// openraft sends one request at a time, the journal one more when it ends.
const TASKS_MAX: usize = 16;
/// One transaction takes no more than this, so that the first answer does not wait for the last command.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// See [`BATCH_BYTES_MAX`].
const BATCH_LEN_MAX: usize = 256;
/// How long nothing must happen before the state is written down without need.
const PAUSE: Duration = Duration::from_millis(10);

/// What commands do. Everything here is called on one thread, in the order of the log.
pub trait Machine: Send + 'static {
    /// Builds everything in memory from the stored state: at the start, and again whenever a snapshot took the place
    /// of the state.
    ///
    /// # Errors
    /// The state is damaged, or was written by a newer version. The node does not start.
    fn load(&mut self, state: &StateReader) -> Result<(), BoxError>;

    /// Applies one command and returns the answer for whoever proposed it. Writes go into `batch`; a read of the store
    /// does not show them until [`Self::publish`].
    ///
    /// Must depend on nothing but what was applied before and the arguments: no clock, no chance, no setting. Commands
    /// that were merged into one entry share `index`; it grows from entry to entry.
    ///
    /// # Errors
    /// The command is unknown, or the state is damaged. The node stops: to leave a command out would make this node
    /// differ from the others.
    fn apply(&mut self, index: u64, command: &Bytes, batch: &mut Batch) -> Result<Bytes, BoxError>;

    /// The writes of all commands since the last call are visible to readers now.
    fn publish(&mut self);
}

/// An entry, and who waits for its answer.
pub(crate) type ToApply = (Entry, Option<ApplyResponder<TypeConfig>>);

/// A moment of the state, and how far the log is applied in it.
pub(crate) type Moment = (StateView, Applied);

enum Task {
    Apply(Vec<ToApply>, oneshot::Sender<io::Result<()>>),
    /// Writes the state down and shows it.
    Show(oneshot::Sender<io::Result<Moment>>),
    Install(SnapshotFile, oneshot::Sender<io::Result<()>>),
    Close(oneshot::Sender<io::Result<()>>),
}

/// The way to the state thread.
#[derive(Clone)]
pub(crate) struct StateHandle {
    tasks: SyncSender<Task>,
    applied: Arc<Mutex<Applied>>,
    fatal: Arc<Fatal>,
}

/// What the thread is given beside the files.
pub(crate) struct StateContext {
    pub(crate) log: Arc<LogShared>,
    pub(crate) counters: Arc<StateCounters>,
    pub(crate) clock: SharedClock,
    pub(crate) fatal: Arc<Fatal>,
}

impl StateHandle {
    /// Starts the thread and loads the machine.
    ///
    /// # Errors
    /// The operating system refused a thread, or the machine cannot read the state.
    pub(crate) async fn start(
        state: StateFile,
        applied: Applied,
        machine: impl Machine,
        settings: &RaftSettings,
        context: StateContext,
        lock: Arc<DataDir>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (sender, tasks) = sync_channel(TASKS_MAX);
        let shared = Arc::new(Mutex::new(applied.clone()));
        let handle = Self { tasks: sender, applied: Arc::clone(&shared), fatal: Arc::clone(&context.fatal) };
        let guard = Arc::clone(&context.fatal);
        let mut thread = Thread {
            state,
            machine,
            tasks,
            applied,
            shared,
            context,
            rules: Rules::of(settings),
            batch: Batch::new(),
            applied_bytes: Vec::new(),
            dirty: None,
            _lock: lock,
        };
        let (tell, loaded) = oneshot::channel();
        let thread = spawn_guarded(
            "raft-state",
            move || {
                let load = thread.machine.load(&thread.state.reader());
                let is_loaded = load.is_ok();
                // Who opened the journal may have given up; then the channel of tasks is closed as well.
                drop(tell.send(load.map_err(io::Error::other)));
                if is_loaded {
                    let closing = thread.run();
                    thread.end(closing);
                }
            },
            move |said| guard.tell(format!("the thread that applies the log panicked: {said}")),
        )?;
        loaded.await.unwrap_or_else(|_| Err(handle.fatal.error()))?;
        Ok((handle, thread))
    }

    /// How far the log is applied.
    pub(crate) fn applied(&self) -> Applied {
        self.applied.lock().clone()
    }

    /// Applies entries, in their order. Returns when readers see them and everybody was answered.
    pub(crate) async fn apply(&self, entries: Vec<ToApply>) -> io::Result<()> {
        self.run(|done| Task::Apply(entries, done)).await
    }

    /// Makes the state durable and shows it.
    pub(crate) async fn show(&self) -> io::Result<Moment> {
        self.run(Task::Show).await
    }

    /// Replaces the state by a snapshot.
    pub(crate) async fn install(&self, snapshot: SnapshotFile) -> io::Result<()> {
        self.run(|done| Task::Install(snapshot, done)).await
    }

    /// Makes the state durable and ends the thread.
    pub(crate) async fn close(&self) -> io::Result<()> {
        self.run(Task::Close).await
    }

    async fn run<T>(&self, task: impl FnOnce(oneshot::Sender<io::Result<T>>) -> Task) -> io::Result<T> {
        let (done, result) = oneshot::channel();
        match self.tasks.try_send(task(done)) {
            Ok(()) => result.await.unwrap_or_else(|_| Err(self.fatal.error())),
            Err(TrySendError::Disconnected(_)) => Err(self.fatal.error()),
            Err(TrySendError::Full(_)) => Err(io::Error::other("more requests to the state than there can be")),
        }
    }
}

/// When the state is written down.
struct Rules {
    after: Duration,
    within: Duration,
    bytes: u64,
    bytes_max: u64,
}

impl Rules {
    fn of(settings: &RaftSettings) -> Self {
        Self {
            after: settings.checkpoint_after,
            within: settings.checkpoint_within,
            bytes: settings.checkpoint_bytes,
            bytes_max: settings.checkpoint_bytes_max,
        }
    }
}

/// What was applied since the state was last written down.
#[derive(Clone, Copy)]
struct Dirty {
    since: Timestamp,
    log_bytes: u64,
}

struct Thread<M> {
    state: StateFile,
    machine: M,
    tasks: Receiver<Task>,
    applied: Applied,
    /// The same, for everybody else.
    shared: Arc<Mutex<Applied>>,
    context: StateContext,
    rules: Rules,
    batch: Batch,
    applied_bytes: Vec<u8>,
    dirty: Option<Dirty>,
    /// The directory is this process's own as long as the thread may write.
    _lock: Arc<DataDir>,
}

impl<M: Machine> Thread<M> {
    /// Works until it is closed; answers who closed it, or `None` if nobody is left who could.
    fn run(&mut self) -> Option<oneshot::Sender<io::Result<()>>> {
        loop {
            let task = match self.pause() {
                None => self.tasks.recv().ok()?,
                Some(pause) => match self.tasks.recv_timeout(pause) {
                    Ok(task) => task,
                    Err(RecvTimeoutError::Timeout) => {
                        self.checkpoint_if_due();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return None,
                },
            };
            match task {
                Task::Apply(entries, done) => drop(done.send(self.apply(entries))),
                Task::Show(done) => drop(done.send(self.show())),
                Task::Install(snapshot, done) => drop(done.send(self.install(&snapshot))),
                Task::Close(done) => return Some(done),
            }
            self.checkpoint_if_overdue();
        }
    }

    // --- applying ---

    fn apply(&mut self, entries: Vec<ToApply>) -> io::Result<()> {
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            if self.context.fatal.reason().is_some() {
                return Err(self.context.fatal.error());
            }
            self.apply_some(&mut entries).map_err(|error| self.fail(&error))?;
        }
        Ok(())
    }

    /// Applies as many entries as fit one transaction.
    fn apply_some(&mut self, entries: &mut impl Iterator<Item = ToApply>) -> Result<(), BoxError> {
        let mut answers = Vec::new();
        let (mut len, mut len_bytes, mut commands) = (0, 0, 0);
        while len < BATCH_LEN_MAX
            && len_bytes < BATCH_BYTES_MAX
            && let Some((entry, responder)) = entries.next()
        {
            len += 1;
            len_bytes += codec::entry_len(&entry);
            let log_id = entry.log_id();
            let mut answer = Answers::default();
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(merged) => {
                    commands += merged.len() as u64;
                    answer = self.apply_commands(log_id.index, &merged)?;
                }
                EntryPayload::Membership(membership) => {
                    self.applied.membership = StoredMembership::new(Some(log_id), membership);
                }
            }
            self.applied.log_id = Some(log_id);
            answers.extend(responder.map(|responder| (responder, answer)));
        }
        self.applied_bytes.clear();
        self.applied.write(&mut self.applied_bytes);
        self.state.apply(&self.batch, &self.applied_bytes)?;
        self.batch.clear(BATCH_BYTES_MAX);
        *self.shared.lock() = self.applied.clone();
        self.machine.publish();
        self.context.counters.commands.fetch_add(commands, Ordering::Relaxed);
        for (responder, answer) in answers {
            responder.send(answer);
        }
        let dirty = self.dirty.get_or_insert_with(|| Dirty { since: self.context.clock.now(), log_bytes: 0 });
        dirty.log_bytes += len_bytes as u64;
        Ok(())
    }

    fn apply_commands(&mut self, index: u64, commands: &Commands) -> Result<Answers, BoxError> {
        let answers = commands.iter().map(|command| self.machine.apply(index, command, &mut self.batch));
        let answers: Result<Vec<_>, _> = answers.collect();
        answers.map(Answers).map_err(|error| format!("entry {index} of the log cannot be applied: {error}").into())
    }

    // --- writing down ---

    /// How long to wait for a task before looking whether the state should be written down; `None` if it need not be.
    fn pause(&self) -> Option<Duration> {
        let dirty = self.dirty?;
        if dirty.log_bytes >= self.rules.bytes {
            return Some(PAUSE);
        }
        Some(self.rules.after.saturating_sub(self.age(dirty)).max(PAUSE))
    }

    /// Nothing was to be done for a while.
    fn checkpoint_if_due(&mut self) {
        let is_due = |dirty: Dirty| dirty.log_bytes >= self.rules.bytes || self.age(dirty) >= self.rules.after;
        if self.dirty.is_some_and(is_due) {
            self.checkpoint_or_fail();
        }
    }

    /// There is always something to do, but it cannot wait any longer.
    fn checkpoint_if_overdue(&mut self) {
        let is_overdue = |dirty: Dirty| dirty.log_bytes >= self.rules.bytes_max || self.age(dirty) >= self.rules.within;
        if self.dirty.is_some_and(is_overdue) {
            self.checkpoint_or_fail();
        }
    }

    fn checkpoint_or_fail(&mut self) {
        if self.context.fatal.reason().is_none() && self.log_is_durable() {
            // A failure was told, and nobody waits for this.
            drop(self.checkpoint());
        }
    }

    fn checkpoint(&mut self) -> io::Result<()> {
        self.state.checkpoint().map_err(|error| self.fail(&error.into()))?;
        self.dirty = None;
        self.context.counters.checkpointed(self.context.clock.now());
        Ok(())
    }

    /// Whether the log on disk reaches as far as what was applied. A follower may apply what the others have on disk
    /// before its own log has it.
    fn log_is_durable(&self) -> bool {
        self.applied.log_id.is_none_or(|applied| applied.index < self.context.log.counters.durable_next())
    }

    fn age(&self, dirty: Dirty) -> Duration {
        self.context.clock.now().since(dirty.since)
    }

    // --- snapshots ---

    fn show(&mut self) -> io::Result<Moment> {
        if self.context.fatal.reason().is_some() {
            return Err(self.context.fatal.error());
        }
        if self.log_is_durable() {
            self.checkpoint()?;
        }
        let view = self.state.reader().view().map_err(|error| self.fail(&error.into()))?;
        Ok((view, self.applied.clone()))
    }

    fn install(&mut self, snapshot: &SnapshotFile) -> io::Result<()> {
        if self.context.fatal.reason().is_some() {
            return Err(self.context.fatal.error());
        }
        let installed = self.state.install(snapshot).map_err(BoxError::from);
        let applied = installed.and_then(|bytes| Ok(Applied::read(bytes)?)).map_err(|error| self.fail(&error))?;
        self.applied = applied;
        *self.shared.lock() = self.applied.clone();
        self.dirty = None;
        self.machine.load(&self.state.reader()).map_err(|error| self.fail(&error))
    }

    // --- the end ---

    fn fail(&self, error: &BoxError) -> io::Error {
        self.context.fatal.tell(error.to_string());
        self.context.fatal.error()
    }

    fn end(mut self, closing: Option<oneshot::Sender<io::Result<()>>>) {
        let result = match self.context.fatal.reason() {
            Some(_) => Err(self.context.fatal.error()),
            None if self.log_is_durable() => self.checkpoint(),
            None => Ok(()),
        };
        drop(self.state);
        drop(self.machine);
        if let Some(done) = closing {
            drop(done.send(result));
        }
    }
}
