//! The log as openraft sees it: entries that can be read as soon as they are appended and are on disk a little later.
//!
//! What was just written is read from memory ([`crate::raft::tail`]), everything older from the file. What openraft
//! may rely on: an appended entry can be read when `append` returns; its callback fires when it is on disk, in order;
//! a vote is on disk when `save_vote` returns; what it knows to be committed is written with the next batch.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt, stream};
use nacrite_store::{LogFile, LogReader, Mark, StoreError};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::Mutex;
use tracing::warn;

use crate::raft::codec::{self, CodecError};
use crate::raft::log_writer::{Job, LogWriter};
use crate::raft::metrics::LogCounters;
use crate::raft::settings::RaftSettings;
use crate::raft::tail::Tail;
use crate::raft::types::{Entry, LogId, TypeConfig, Vote};

/// What the log's readers and its writer thread know together.
#[derive(Debug)]
pub(crate) struct LogShared {
    known: Mutex<Known>,
    reader: LogReader,
    read_bytes_max: usize,
    pub(crate) counters: LogCounters,
}

#[derive(Debug)]
struct Known {
    tail: Tail,
    vote: Option<Vote>,
    committed: Option<LogId>,
    /// Whether `committed` has changed since it was last written.
    committed_is_new: bool,
    purged: Option<LogId>,
    last: Option<LogId>,
}

impl LogShared {
    /// Reads what is known from the file.
    ///
    /// # Errors
    /// The log is damaged or was written by a newer version.
    pub(crate) fn open(log: &LogFile, settings: &RaftSettings) -> Result<Self, LogError> {
        let reader = log.reader();
        let view = reader.view()?;
        let purged = view.purged()?.map(|(_, label)| codec::read_log_id(label)).transpose()?;
        let last = if log.next() > log.first() {
            let records = view.read(log.next() - 1..log.next(), usize::MAX)?;
            decode(records)?.last().map(RaftEntry::log_id)
        } else {
            purged
        };
        let known = Known {
            tail: Tail::at(log.next()),
            vote: view.mark(Mark::Vote)?.map(codec::read_vote).transpose()?,
            committed: view.mark(Mark::Committed)?.map(codec::read_log_id).transpose()?,
            committed_is_new: false,
            purged,
            last,
        };
        let counters = LogCounters::new(log.next(), log.len_bytes(), settings.snapshot_bytes);
        Ok(Self { known: Mutex::new(known), reader, read_bytes_max: settings.read_bytes_max, counters })
    }

    /// The id of the last entry, or of the last one that was purged.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.known.lock().last
    }

    /// What is known to be committed, if it was not taken since it changed.
    pub(crate) fn take_committed(&self) -> Option<LogId> {
        let mut known = self.known.lock();
        if std::mem::take(&mut known.committed_is_new) { known.committed } else { None }
    }

    pub(crate) fn wrote_before(&self, index: u64, tail_bytes_max: usize) {
        self.known.lock().tail.wrote_before(index, tail_bytes_max);
    }

    /// The first index to keep so that at most `entries` and `bytes` stay. Reads them: not for an async thread.
    pub(crate) fn first_within(&self, entries: u64, bytes: u64) -> Result<u64, StoreError> {
        self.reader.view()?.first_within(entries, bytes)
    }

    /// The entries of `range`, clipped to what there is: as many as fit `bytes_max`, but at least one.
    fn read(&self, range: Range<u64>, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let (view, on_disk, in_memory) = {
            let known = self.known.lock();
            let start = range.start.max(known.purged.map_or(0, |purged| purged.index + 1));
            let end = range.end.min(known.tail.next());
            let first = known.tail.first();
            if start >= first || start >= end {
                return Ok(known.tail.read(start..end, bytes_max));
            }
            // What is in memory only cannot be on disk yet, so the view must be of the same moment.
            let view = self.reader.view().map_err(io::Error::other)?;
            (view, start..end.min(first), known.tail.read(first..end, bytes_max))
        };
        let count = usize::try_from(on_disk.end - on_disk.start).unwrap_or(usize::MAX);
        let mut entries = decode(view.read(on_disk, bytes_max).map_err(io::Error::other)?)?;
        let is_limited = bytes_max != usize::MAX;
        // A limited read may end anywhere; where the disk ends is as good as any.
        if entries.len() == count && !is_limited {
            entries.extend(in_memory);
        }
        Ok(entries)
    }
}

fn decode(records: Vec<nacrite_store::Record>) -> Result<Vec<Entry>, CodecError> {
    records.into_iter().map(|record| codec::read_entry(record.index, record.payload.into())).collect()
}

/// Why the log could not be read when it was opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("this node's log cannot be read: {0}")]
    Codec(#[from] CodecError),
}

/// The log, for openraft's core.
pub(crate) struct LogStore {
    shared: Arc<LogShared>,
    writer: LogWriter,
}

impl LogStore {
    pub(crate) fn new(shared: Arc<LogShared>, writer: LogWriter) -> Self {
        Self { shared, writer }
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReading;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let known = self.shared.known.lock();
        Ok(LogState { last_purged_log_id: known.purged, last_log_id: known.last })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        LogReading(Arc::clone(&self.shared))
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.writer.run(|done| Job::Vote(codec::write_vote(vote), done)).await?;
        self.shared.known.lock().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let mut known = self.shared.known.lock();
        known.committed = committed;
        known.committed_is_new = true;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.shared.known.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let mut len_bytes = 0;
        {
            let mut known = self.shared.known.lock();
            for entry in &entries {
                let entry_bytes = codec::entry_len(entry);
                len_bytes += entry_bytes;
                known.tail.push(entry.clone(), entry_bytes);
                known.last = Some(entry.log_id());
            }
        }
        self.writer.send(Job::Append(entries, flushed), len_bytes).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let from = last.map_or(0, |last| last.index + 1);
        {
            let mut known = self.shared.known.lock();
            if from >= known.tail.next() {
                return Ok(());
            }
            known.tail.truncate_from(from);
            known.last = last;
        }
        warn!(from, "entries that were never agreed on are taken back");
        // Until they are gone from the file, a reader could still find them there.
        self.writer.run(|done| Job::TruncateFrom(from, done)).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        {
            let mut known = self.shared.known.lock();
            known.purged = Some(log_id);
            if known.last.is_none_or(|last| last.index < log_id.index) {
                known.last = Some(log_id);
            }
            known.tail.purge_before(log_id.index + 1);
        }
        // Nobody waits for it: readers do not look behind the mark, and after a crash it is done again.
        self.writer.send(Job::PurgeTo(log_id), 0).await
    }
}

/// The log, for whoever replicates or applies it.
#[derive(Clone)]
pub(crate) struct LogReading(Arc<LogShared>);

impl RaftLogReader<TypeConfig> for LogReading {
    /// Reads as the stream is followed, a bounded number of bytes at a time: a follower that catches up applies a range
    /// that need not fit the memory.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let shared = Arc::clone(&self.0);
        let range = indexes(&range);
        let chunks = stream::try_unfold(range, move |range| {
            let chunk = shared.read(range.clone(), shared.read_bytes_max);
            async move {
                let chunk = chunk?;
                let Some(last) = chunk.last() else { return Ok(None) };
                let rest = last.index() + 1..range.end;
                Ok::<_, io::Error>(Some((stream::iter(chunk.into_iter().map(Ok)), rest)))
            }
        });
        Box::pin(chunks.try_flatten())
    }

    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.0.read(indexes(&range), usize::MAX)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.0.known.lock().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.0.read(start..end, self.0.read_bytes_max)
    }
}

fn indexes(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}
