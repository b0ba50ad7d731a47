//! What a log and a state should hold, kept in plain maps, and how to read the same from an opened file.

use std::collections::BTreeMap;
use std::ops::Bound;

use nacrite_store::faulty::FaultyDisk;
use nacrite_store::state::Entry;
use nacrite_store::{Batch, Durability, LogBatch, LogFile, Mark, OpenError, StateFile, StoreError, Table};

/// Small enough that pages have to be read again.
pub(crate) const CACHE_BYTES: usize = 64 * 1024;

/// What is in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogModel {
    pub(crate) first: u64,
    pub(crate) records: BTreeMap<u64, Vec<u8>>,
    pub(crate) purged: Option<(u64, Vec<u8>)>,
    pub(crate) marks: [Option<Vec<u8>>; 3],
}

/// One change of a log.
#[derive(Clone, Debug)]
pub(crate) enum LogStep {
    Vote(u8),
    Committed(u8),
    Append { index: u64, len: usize },
    TruncateFrom(u64),
    PurgeTo(u64),
}

impl LogModel {
    pub(crate) fn next(&self) -> u64 {
        self.records.last_key_value().map_or(self.first, |(index, _)| index + 1)
    }

    /// Follows the steps and adds them to a batch.
    pub(crate) fn follow(&mut self, steps: &[LogStep]) -> LogBatch {
        let mut batch = LogBatch::new();
        for step in steps {
            match step {
                LogStep::Vote(of) => {
                    batch.set(Mark::Vote, &[*of; 17]);
                    self.marks[0] = Some(vec![*of; 17]);
                }
                LogStep::Committed(of) => {
                    batch.set(Mark::Committed, &[*of; 24]);
                    self.marks[1] = Some(vec![*of; 24]);
                }
                LogStep::Append { index, len } => {
                    let payload: Vec<u8> = (0..*len).map(|at| (at as u64 * 31 + index * 7) as u8).collect();
                    batch.append(*index, |out| out.extend_from_slice(&payload));
                    self.records.insert(*index, payload);
                }
                LogStep::TruncateFrom(index) => {
                    batch.truncate_from(*index);
                    self.records.split_off(index);
                }
                LogStep::PurgeTo(index) => {
                    batch.purge_to(*index, b"label");
                    self.records = self.records.split_off(&(index + 1));
                    self.first = self.first.max(index + 1);
                    self.purged = Some((*index, b"label".to_vec()));
                }
            }
        }
        batch
    }

    pub(crate) fn of(log: &LogFile) -> Result<Self, StoreError> {
        let view = log.reader().view()?;
        let records = view.read(log.first()..log.next(), usize::MAX)?;
        Ok(Self {
            first: log.first(),
            records: records.into_iter().map(|record| (record.index, record.payload)).collect(),
            purged: view.purged()?,
            marks: [view.mark(Mark::Vote)?, view.mark(Mark::Committed)?, view.mark(Mark::Node)?],
        })
    }
}

/// A workload with everything a log knows: small and large records, votes, several changes at once, removals at both
/// ends, and pages that are used again.
pub(crate) fn log_workload() -> Vec<Vec<LogStep>> {
    let append = |index, len| LogStep::Append { index, len };
    vec![
        vec![LogStep::Vote(1), append(0, 40)],
        vec![append(1, 300), append(2, 0), append(3, 900)],
        vec![LogStep::Committed(2), append(4, 5000)],
        vec![LogStep::TruncateFrom(3), append(3, 700), LogStep::Vote(2)],
        vec![append(4, 300), append(5, 300), append(6, 300)],
        vec![LogStep::PurgeTo(2)],
        vec![append(7, 1), LogStep::Committed(7)],
        vec![LogStep::PurgeTo(20), append(21, 100)],
    ]
}

pub(crate) fn open_log(disk: &FaultyDisk) -> Result<LogFile, OpenError> {
    LogFile::open_on(disk.clone(), CACHE_BYTES)
}

/// What is in a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StateModel {
    pub(crate) tables: BTreeMap<(&'static str, Vec<u8>), Vec<u8>>,
    pub(crate) applied: Option<Vec<u8>>,
}

impl StateModel {
    /// Writes to all tables, overwrites and removes; a function of `round` alone.
    pub(crate) fn follow(&mut self, round: u8) -> (Batch, Vec<u8>) {
        let mut batch = Batch::new();
        for (at, table) in Table::ALL.into_iter().enumerate() {
            let at = at as u8;
            let key = vec![at, round % 4, 0xff];
            if (round + at) % 5 == 4 {
                batch.delete(table, &key);
                self.tables.remove(&(table.name(), key));
            } else {
                let value = vec![round; usize::from(round) * 37 * usize::from(at)];
                batch.put(table, &key, &value);
                self.tables.insert((table.name(), key), value);
            }
        }
        let applied = vec![round; 9];
        self.applied = Some(applied.clone());
        (batch, applied)
    }

    pub(crate) fn of(state: &StateFile) -> Result<Self, StoreError> {
        let view = state.reader().view()?;
        let mut tables = BTreeMap::new();
        for table in Table::ALL {
            for entry in view.scan(table, (Bound::Unbounded, Bound::Unbounded))? {
                let Entry { key, value } = entry?;
                assert_eq!(view.get(table, &key)?.as_ref(), Some(&value));
                tables.insert((table.name(), key), value);
            }
        }
        Ok(Self { tables, applied: view.applied()? })
    }
}

pub(crate) fn open_state(disk: &FaultyDisk) -> Result<StateFile, OpenError> {
    StateFile::open_on(disk.clone(), CACHE_BYTES)
}

/// Writes a batch and waits for the disk.
pub(crate) fn write(log: &mut LogFile, batch: &LogBatch) {
    log.write(batch, Durability::Immediate).expect("a sound disk takes a write");
}
