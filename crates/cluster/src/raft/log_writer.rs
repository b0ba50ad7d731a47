//! The thread that writes the log: one transaction and one fsync for everything that waits (group commit).
//!
//! Votes and entries pass the same ordered queue: a vote is on disk before any entry that came after it, which is what
//! keeps a committed entry from being lost when a node crashes between the two. After a failed write nothing is written
//! any more and every later request is answered with the first reason; an fsync is never tried twice.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nacrite_base::Timestamp;
use nacrite_env::SharedClock;
use nacrite_env::threads::spawn_guarded;
use nacrite_store::{DataDir, Durability, LogBatch, LogFile, Mark, StoreError};
use openraft::entry::RaftEntry;
use openraft::storage::IOFlushed;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::raft::codec;
use crate::raft::fatal::Fatal;
use crate::raft::log_store::LogShared;
use crate::raft::settings::{RaftSettings, SyncMode};
use crate::raft::types::{Entry, LogId, TypeConfig};

/// Requests that can wait. Each holds at least one unit of room, so that the channel is never full.
const UNITS: usize = 256;
/// One transaction takes no more than this, so that the first writer in it does not wait for the last.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// See [`BATCH_BYTES_MAX`].
const BATCH_LEN_MAX: usize = 256;

/// Something to write.
pub(crate) enum Job {
    /// Must be on disk before it is answered.
    Vote(Vec<u8>, Done),
    /// Consecutive entries.
    Append(Vec<Entry>, IOFlushed<TypeConfig>),
    TruncateFrom(u64, Done),
    PurgeTo(LogId),
    /// The last one: everything is made durable and the file is closed.
    Close(Done),
}

pub(crate) type Done = oneshot::Sender<io::Result<()>>;

/// A job with the room that it takes in the queue.
struct Ticket {
    job: Job,
    _room: OwnedSemaphorePermit,
}

/// The way to the writer thread.
#[derive(Clone)]
pub(crate) struct LogWriter {
    jobs: SyncSender<Ticket>,
    room: Arc<Semaphore>,
    unit_bytes: usize,
    fatal: Arc<Fatal>,
}

impl LogWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub(crate) fn start(
        log: LogFile,
        shared: Arc<LogShared>,
        settings: &RaftSettings,
        clock: SharedClock,
        fatal: Arc<Fatal>,
        lock: Arc<DataDir>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (sender, jobs) = sync_channel(UNITS);
        let guard = Arc::clone(&fatal);
        let mut thread = Thread {
            log,
            jobs,
            shared,
            clock,
            fatal: Arc::clone(&fatal),
            sync: settings.sync,
            tail_bytes_max: settings.tail_bytes_max,
            unsynced_since: None,
            batch: LogBatch::new(),
            _lock: lock,
        };
        let thread = spawn_guarded(
            "raft-log",
            move || {
                let closing = thread.run();
                thread.end(closing);
            },
            move |said| guard.tell(format!("the thread that writes the log panicked: {said}")),
        )?;
        let unit_bytes = settings.unwritten_bytes_max.div_ceil(UNITS).max(1);
        Ok((Self { jobs: sender, room: Arc::new(Semaphore::new(UNITS)), unit_bytes, fatal }, thread))
    }

    /// Queues a job of about `len_bytes`; waits while there is no room for it.
    pub(crate) async fn send(&self, job: Job, len_bytes: usize) -> io::Result<()> {
        let units = u32::try_from(len_bytes.div_ceil(self.unit_bytes).clamp(1, UNITS)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(units).await.map_err(|_| self.fatal.error())?;
        self.jobs.try_send(Ticket { job, _room: room }).map_err(|_| self.fatal.error())
    }

    /// Queues a job and waits until it is done.
    pub(crate) async fn run(&self, job: impl FnOnce(Done) -> Job) -> io::Result<()> {
        let (done, result) = oneshot::channel();
        self.send(job(done), 0).await?;
        result.await.unwrap_or_else(|_| Err(self.fatal.error()))
    }
}

/// Who waits for the transaction that is being put together.
enum Waiting {
    Done(Done),
    Flushed(IOFlushed<TypeConfig>),
}

struct Thread {
    log: LogFile,
    jobs: Receiver<Ticket>,
    shared: Arc<LogShared>,
    clock: SharedClock,
    fatal: Arc<Fatal>,
    sync: SyncMode,
    tail_bytes_max: usize,
    /// Since when something waits for the next sync of the interval.
    unsynced_since: Option<Timestamp>,
    batch: LogBatch,
    /// The directory is this process's own as long as the thread may write.
    _lock: Arc<DataDir>,
}

impl Thread {
    /// Writes until it is closed; answers who closed it, or `None` if nobody is left who could.
    fn run(&mut self) -> Option<Done> {
        loop {
            let mut next = Some(self.next()?);
            let mut waiting = Vec::new();
            let mut closing = None;
            let mut entries = 0;
            while let Some(ticket) = next {
                match ticket.job {
                    Job::Close(done) => {
                        closing = Some(done);
                        break;
                    }
                    job => entries += self.add(job, &mut waiting),
                }
                let is_full = entries >= BATCH_LEN_MAX || self.batch.len_bytes() >= BATCH_BYTES_MAX;
                next = if is_full { None } else { self.jobs.try_recv().ok() };
            }
            self.write(entries, waiting);
            if closing.is_some() {
                return closing;
            }
        }
    }

    /// The next job; meanwhile removes what was purged, and syncs when the interval ends. `None` if nobody is left who
    /// could send one.
    fn next(&mut self) -> Option<Ticket> {
        while self.sweep() {
            if let Ok(ticket) = self.jobs.try_recv() {
                return Some(ticket);
            }
        }
        loop {
            let Some(wait) = self.until_sync() else {
                return self.jobs.recv().ok();
            };
            match self.jobs.recv_timeout(wait) {
                Ok(ticket) => return Some(ticket),
                Err(RecvTimeoutError::Timeout) => self.sync(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Removes some of what was purged; answers whether there is more.
    fn sweep(&mut self) -> bool {
        if self.fatal.reason().is_some() {
            return false;
        }
        let swept = self.log.sweep();
        self.shared.counters.holds(self.log.len_bytes());
        swept.unwrap_or_else(|error| {
            drop(self.fail(&error));
            false
        })
    }

    fn until_sync(&self) -> Option<Duration> {
        let SyncMode::Interval(interval) = self.sync else {
            return None;
        };
        let since = self.unsynced_since?;
        Some(interval.saturating_sub(self.clock.now().since(since)))
    }

    /// Adds a job to the transaction; answers how many entries it appends.
    fn add(&mut self, job: Job, waiting: &mut Vec<Waiting>) -> usize {
        match job {
            Job::Vote(vote, done) => {
                self.batch.set(Mark::Vote, &vote);
                waiting.push(Waiting::Done(done));
                0
            }
            Job::Append(entries, flushed) => {
                for entry in &entries {
                    self.batch.append(entry.index(), |out| codec::write_entry(entry, out));
                }
                waiting.push(Waiting::Flushed(flushed));
                entries.len()
            }
            Job::TruncateFrom(index, done) => {
                self.batch.truncate_from(index);
                waiting.push(Waiting::Done(done));
                0
            }
            Job::PurgeTo(log_id) => {
                self.batch.purge_to(log_id.index, &codec::write_log_id(&log_id));
                0
            }
            // Taken out before.
            Job::Close(_) => 0,
        }
    }

    fn write(&mut self, entries: usize, waiting: Vec<Waiting>) {
        if let Some(committed) = self.shared.take_committed() {
            self.batch.set(Mark::Committed, &codec::write_log_id(&committed));
        }
        let written = self.write_batch(entries);
        self.batch.clear(BATCH_BYTES_MAX);
        for waiting in waiting {
            let result = if written.is_ok() { Ok(()) } else { Err(self.fatal.error()) };
            match waiting {
                // Who stopped waiting does not need the answer.
                Waiting::Done(done) => drop(done.send(result)),
                Waiting::Flushed(flushed) => flushed.io_completed(result),
            }
        }
    }

    fn write_batch(&mut self, entries: usize) -> io::Result<()> {
        if self.fatal.reason().is_some() {
            return Err(self.fatal.error());
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        let durability = match self.sync {
            SyncMode::Always => Durability::Immediate,
            SyncMode::Interval(_) => Durability::Deferred,
        };
        self.log.write(&self.batch, durability).map_err(|error| self.fail(&error))?;
        self.shared.counters.wrote(entries as u64, self.batch.len_bytes() as u64);
        self.shared.counters.holds(self.log.len_bytes());
        self.shared.wrote_before(self.log.next(), self.tail_bytes_max);
        match durability {
            Durability::Immediate => self.shared.counters.synced(self.log.next()),
            Durability::Deferred => self.unsynced_since = self.unsynced_since.or_else(|| Some(self.clock.now())),
        }
        Ok(())
    }

    fn sync(&mut self) {
        self.unsynced_since = None;
        if self.fatal.reason().is_some() {
            return;
        }
        match self.log.sync() {
            Ok(()) => self.shared.counters.synced(self.log.next()),
            Err(error) => drop(self.fail(&error)),
        }
    }

    fn fail(&self, error: &StoreError) -> io::Error {
        self.fatal.tell(error.to_string());
        self.fatal.error()
    }

    /// Makes everything durable and closes the file.
    fn end(mut self, closing: Option<Done>) {
        let result = match self.fatal.reason() {
            Some(_) => Err(self.fatal.error()),
            None => self.log.checkpoint().map_err(|error| self.fail(&error)),
        };
        if result.is_ok() {
            self.shared.counters.synced(self.log.next());
        }
        drop(self.log);
        if let Some(done) = closing {
            drop(done.send(result));
        }
    }
}
