//! Data directories on disk: what opening makes, refuses and mends, and snapshots.

use std::fs;
use std::ops::Bound;
use std::path::Path;

use nacrite_store::recover::{self, Finding};
use nacrite_store::state::Entry;
use nacrite_store::{
    Batch, Durability, LogBatch, Mark, OpenError, Opened, SnapshotFile, StateReader, StoreError, StoreSettings, Table,
};
use redb::{Database, TableDefinition};
use tempfile::TempDir;

fn open(dir: &Path) -> Result<Opened, OpenError> {
    recover::open(dir, &StoreSettings::default())
}

fn dir() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

fn put(opened: &mut Opened, key: &[u8], value: &[u8], applied: &[u8]) {
    let mut batch = Batch::new();
    batch.put(Table::Config, key, value);
    opened.state.apply(&batch, applied).expect("the state takes a write");
}

fn append(opened: &mut Opened, index: u64) {
    let mut batch = LogBatch::new();
    batch.append(index, |out| out.extend_from_slice(b"record"));
    opened.log.write(&batch, Durability::Immediate).expect("the log takes a write");
}

fn purge(opened: &mut Opened, index: u64) {
    let mut batch = LogBatch::new();
    batch.purge_to(index, b"label");
    opened.log.write(&batch, Durability::Immediate).expect("the log takes a write");
}

/// A copy of a directory that is in use, as the disk shows it at this moment.
fn copy(from: &Path) -> TempDir {
    let to = dir();
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.path().join(entry.file_name())).expect("a copy");
    }
    to
}

#[test]
fn what_was_written_is_there_when_the_directory_is_opened_again() {
    let dir = dir();
    let path = dir.path().join("made/by/opening");
    let mut opened = open(&path).expect("a new directory opens");
    assert_eq!(opened.findings, []);
    append(&mut opened, 0);
    put(&mut opened, b"key", b"value", b"applied");
    drop(opened);
    let opened = open(&path).expect("it opens again");
    assert_eq!(opened.findings, []);
    assert_eq!((opened.log.first(), opened.log.next()), (0, 1));
    assert_eq!(opened.state.reader().get(Table::Config, b"key").expect("it reads"), Some(b"value".to_vec()));
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = dir();
    let opened = open(dir.path()).expect("a new directory opens");
    let refused = open(dir.path()).expect_err("it is in use");
    let text = format!("data directory {} is in use by another process", dir.path().display());
    assert_eq!(refused.to_string(), text);
    drop(opened);
    open(dir.path()).expect("it is free again");
}

#[test]
fn a_newer_format_is_refused() {
    for file in ["log.redb", "state.redb"] {
        let dir = dir();
        drop(open(dir.path()).expect("a new directory opens"));
        let db = Database::create(dir.path().join(file)).expect("a redb file");
        let write = db.begin_write().expect("a transaction");
        {
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(&[1]);
            hasher.update(b"format");
            hasher.update(&9_u32.to_le_bytes());
            let record = [&[1], &hasher.finalize().to_le_bytes()[..], &9_u32.to_le_bytes()].concat();
            let marks: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("marks");
            write.open_table(marks).expect("the table").insert("format", record.as_slice()).expect("a write");
        }
        write.commit().expect("a commit");
        drop(db);
        let refused = open(dir.path()).expect_err("the format is newer");
        let text = format!(
            "data directory {} was written by a newer version (format 9, this binary knows up to 1)",
            dir.path().display()
        );
        assert_eq!(refused.to_string(), text, "{file}");
    }
}

#[test]
fn what_the_disk_refuses_is_told_with_its_path() {
    let dir = dir();
    let file = dir.path().join("file");
    fs::write(&file, b"").expect("a file");
    let refused = open(&file.join("below")).expect_err("a file is no directory");
    assert!(matches!(&refused, OpenError::Io { path, .. } if path.starts_with(&file)), "{refused}");
}

#[test]
fn a_file_that_was_never_finished_is_removed() {
    let dir = dir();
    for name in ["log.redb.tmp", "state.redb.tmp", "snap-1-2.tmp", "incoming-1-2.tmp"] {
        fs::write(dir.path().join(name), b"half").expect("a file");
    }
    drop(open(dir.path()).expect("it opens"));
    let left = fs::read_dir(dir.path()).expect("a directory").count();
    assert_eq!(left, 3, "the lock, the log and the state");
}

#[test]
fn a_directory_that_was_not_closed_is_recovered() {
    let dir = dir();
    let mut opened = open(dir.path()).expect("a new directory opens");
    append(&mut opened, 0);
    put(&mut opened, b"durable", b"1", b"one");
    opened.state.checkpoint().expect("a checkpoint");
    put(&mut opened, b"lost", b"2", b"two");
    append(&mut opened, 1);
    let copy = copy(dir.path());
    let opened = open(copy.path()).expect("the copy opens");
    assert_eq!(opened.findings, [Finding::LogRecovered]);
    assert_eq!(opened.log.next(), 2);
    let view = opened.state.reader().view().expect("a view");
    assert_eq!(view.applied().expect("a mark"), Some(b"one".to_vec()));
    assert_eq!(view.get(Table::Config, b"lost").expect("it reads"), None);
}

#[test]
fn a_log_that_is_missing_beside_a_state_is_refused() {
    let dir = dir();
    drop(open(dir.path()).expect("a new directory opens"));
    fs::remove_file(dir.path().join("log.redb")).expect("the log is there");
    let refused = open(dir.path()).expect_err("the log is missing").to_string();
    assert!(refused.starts_with("this node's log is damaged at its start: log.redb is not there"), "{refused}");
}

#[test]
fn a_missing_or_damaged_state_is_made_again_if_the_log_reaches_back() {
    let dir = dir();
    let mut opened = open(dir.path()).expect("a new directory opens");
    (0..5).for_each(|index| append(&mut opened, index));
    put(&mut opened, b"key", b"value", b"applied");
    opened.snapshots.write(&opened.state.reader().view().expect("a view"), 1, 2).expect("a snapshot");
    drop(opened);
    let state = dir.path().join("state.redb");

    fs::remove_file(&state).expect("the state is there");
    let opened = open(dir.path()).expect("the log holds everything");
    assert_eq!(opened.findings, [Finding::StateMissing]);
    drop(opened);

    fs::write(&state, b"no state").expect("a file");
    let mut opened = open(dir.path()).expect("the log holds everything");
    assert!(matches!(opened.findings[..], [Finding::StateSetAside(_)]), "{:?}", opened.findings);
    assert!(dir.path().join("state.redb.damaged").exists());
    assert_eq!(opened.state.reader().view().expect("a view").applied().expect("no mark"), None);
    // The snapshot holds everything up to 2.
    purge(&mut opened, 2);
    drop(opened);

    fs::remove_file(&state).expect("the state is there");
    let mut opened = open(dir.path()).expect("the snapshot and the log hold everything");
    purge(&mut opened, 3);
    drop(opened);

    fs::remove_file(&state).expect("the state is there");
    let refused = open(dir.path()).expect_err("entry 3 is nowhere").to_string();
    assert!(refused.contains("this node's state is damaged at its start: it cannot be made again"), "{refused}");
}

#[test]
fn a_damaged_snapshot_gives_way_to_the_one_before() {
    let dir = dir();
    let mut opened = open(dir.path()).expect("a new directory opens");
    (0..5).for_each(|index| append(&mut opened, index));
    let view = opened.state.reader().view().expect("a view");
    opened.snapshots.write(&view, 1, 2).expect("a snapshot");
    let newest = opened.snapshots.write(&view, 1, 4).expect("a snapshot");
    purge(&mut opened, 2);
    drop(opened);
    fs::write(newest.path(), b"no snapshot").expect("a file");
    fs::remove_file(dir.path().join("state.redb")).expect("the state is there");
    let opened = open(dir.path()).expect("the older snapshot reaches far enough");
    assert!(matches!(opened.findings[..], [Finding::SnapshotSetAside(_), Finding::StateMissing]));
    assert_eq!(opened.snapshots.list().expect("a list").len(), 1);
}

fn all(reader: &StateReader) -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let view = reader.view().expect("a view");
    let mut found = Vec::new();
    for table in Table::ALL {
        for entry in view.scan(table, (Bound::Unbounded, Bound::Unbounded)).expect("a scan") {
            let Entry { key, value } = entry.expect("an entry");
            found.push((table.name(), key, value));
        }
    }
    found
}

#[test]
fn a_snapshot_is_installed_as_it_was_written() {
    let (from, to) = (dir(), dir());
    let mut opened = open(from.path()).expect("a new directory opens");
    let mut batch = Batch::new();
    for at in 0..300_u32 {
        let table = Table::ALL[at as usize % Table::ALL.len()];
        batch.put(table, &at.to_be_bytes(), &vec![at as u8; at as usize * 20]);
    }
    opened.state.apply(&batch, b"applied").expect("a write");
    let view = opened.state.reader().view().expect("a view");
    put(&mut opened, b"later", b"not in the snapshot", b"more");
    let snapshot = opened.snapshots.write(&view, 3, 77).expect("a snapshot");
    assert_eq!(snapshot.content().expect("a whole file").applied(), b"applied");

    let mut other = open(to.path()).expect("a new directory opens");
    put(&mut other, b"before", b"goes", b"old");
    let incoming = other.snapshots.unfinished_path(3, 77);
    fs::copy(snapshot.path(), &incoming).expect("a copy");
    let adopted = other.snapshots.adopt(&SnapshotFile::received(incoming, 3, 77)).expect("it is whole");
    let reader = other.state.reader();
    assert_eq!(other.state.install(&adopted).expect("it is whole"), b"applied");
    put(&mut opened, b"later", b"not in the snapshot", b"more");
    let mut expected = all(&opened.state.reader());
    expected.retain(|(_, key, _)| key != b"later");
    assert_eq!(all(&reader), expected);

    // Installing is durable at once.
    let crashed = copy(to.path());
    let crashed = open(crashed.path()).expect("the copy opens");
    assert_eq!(all(&crashed.state.reader()), expected);
}

#[test]
fn only_the_two_newest_snapshots_are_kept() {
    let dir = dir();
    let opened = open(dir.path()).expect("a new directory opens");
    let view = opened.state.reader().view().expect("a view");
    for (term, index) in [(1, 5), (1, 40), (2, 41), (2, 300)] {
        opened.snapshots.write(&view, term, index).expect("a snapshot");
    }
    let kept: Vec<_> = opened.snapshots.list().expect("a list").iter().map(|file| (file.term, file.index)).collect();
    assert_eq!(kept, [(2, 300), (2, 41)]);
}

#[test]
fn a_snapshot_that_is_not_whole_is_refused_and_changes_nothing() {
    let dir = dir();
    let mut opened = open(dir.path()).expect("a new directory opens");
    for at in 0..40_u8 {
        put(&mut opened, &[at], &[at; 100], &[at; 20]);
    }
    let before = all(&opened.state.reader());
    let view = opened.state.reader().view().expect("a view");
    let snapshot = opened.snapshots.write(&view, 1, 1).expect("a snapshot");
    let whole = fs::read(snapshot.path()).expect("the file");
    let broken = (0..whole.len()).map(|at| {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        flipped
    });
    for (nth, image) in broken.chain((0..whole.len()).map(|len| whole[..len].to_vec())).enumerate() {
        fs::write(snapshot.path(), &image).expect("a file");
        match snapshot.verify() {
            Err(StoreError::Damaged(_)) => {}
            // The last 8 bytes are the end of the LZ4 frame: behind our own end, and without them nothing is missing.
            Ok(()) if whole.starts_with(&image) && image.len() >= whole.len() - 8 => {}
            other => panic!("{nth} of twice {}: {other:?}", whole.len()),
        }
    }
    fs::write(snapshot.path(), &whole[..whole.len() / 2]).expect("a file");
    assert!(matches!(opened.state.install(&snapshot), Err(StoreError::Damaged(_))));
    assert_eq!(all(&opened.state.reader()), before);
}

#[test]
fn scans_go_both_ways_and_stop_where_they_should() {
    let dir = dir();
    let mut opened = open(dir.path()).expect("a new directory opens");
    for key in ["a1", "a2", "b1", "b2", "b3", "c1"] {
        put(&mut opened, key.as_bytes(), b"", b"");
    }
    let view = opened.state.reader().view().expect("a view");
    put(&mut opened, b"b4", b"", b"");
    let keys = |scan: &mut dyn Iterator<Item = Result<Entry, StoreError>>| {
        scan.map(|entry| String::from_utf8(entry.expect("an entry").key).expect("a text")).collect::<Vec<_>>()
    };
    let prefix = |prefix: &[u8]| view.scan_prefix(Table::Config, prefix).expect("a scan");
    assert_eq!(keys(&mut prefix(b"b")), ["b1", "b2", "b3"]);
    assert_eq!(keys(&mut prefix(b"b").rev().take(2)), ["b3", "b2"]);
    let bounds = (Bound::Excluded(&b"a2"[..]), Bound::Included(&b"b2"[..]));
    assert_eq!(keys(&mut view.scan(Table::Config, bounds).expect("a scan")), ["b1", "b2"]);
    assert_eq!(keys(&mut view.scan_prefix(Table::History, b"").expect("a scan")), Vec::<String>::new());
}

#[test]
fn a_closed_file_says_so() {
    let dir = dir();
    let opened = open(dir.path()).expect("a new directory opens");
    let (log, state) = (opened.log.reader(), opened.state.reader());
    drop(opened);
    assert!(matches!(log.view(), Err(StoreError::Closed { .. })));
    assert!(matches!(state.get(Table::Meta, b"key"), Err(StoreError::Closed { .. })));
}

#[test]
fn a_log_is_read_in_parts_and_measured_from_its_end() {
    let dir = dir();
    let mut opened = open(dir.path()).expect("a new directory opens");
    let mut batch = LogBatch::new();
    (0..10).for_each(|index| batch.append(index, |out| out.resize(out.len() + 100, 7)));
    batch.set(Mark::Node, b"me");
    opened.log.write(&batch, Durability::Immediate).expect("the log takes a write");
    let view = opened.log.reader().view().expect("a view");
    let count = |from, bytes| view.read(from..10, bytes).expect("records").len();
    assert_eq!((count(0, 350), count(0, 1), count(8, 1000)), (3, 1, 2));
    let first = |entries, bytes| view.first_within(entries, bytes).expect("an index");
    assert_eq!((first(4, 10_000), first(100, 10_000), first(100, 250)), (6, 0, 8));
    assert!(view.read(9..12, usize::MAX).is_err(), "what is not there is not left out in silence");
    let per_record = opened.log.len_bytes() / 10;
    purge(&mut opened, 3);
    assert_eq!((opened.log.first(), opened.log.next()), (4, 10));
    assert!(!opened.log.sweep().expect("the log takes a write"));
    assert_eq!(opened.log.len_bytes(), 6 * per_record);
}

#[test]
fn what_was_purged_is_removed_a_little_at_a_time_and_after_a_crash_again() {
    let dir = dir();
    let mut opened = open(dir.path()).expect("a new directory opens");
    let mut batch = LogBatch::new();
    (0..100).for_each(|index| batch.append(index, |out| out.resize(out.len() + 100_000, 7)));
    opened.log.write(&batch, Durability::Immediate).expect("the log takes a write");
    purge(&mut opened, 95);
    let mut left = opened.log.len_bytes();
    assert!(opened.log.sweep().expect("the log takes a write"), "there is more than one sweep removes");
    assert!(opened.log.len_bytes() < left);
    // The sweep was not durable; the purge was.
    let copy = copy(dir.path());
    let mut opened = open(copy.path()).expect("the copy opens");
    assert_eq!((opened.log.first(), opened.log.next(), opened.log.len_bytes()), (96, 100, left));
    append(&mut opened, 100);
    while opened.log.sweep().expect("the log takes a write") {
        assert!(opened.log.len_bytes() < left);
        left = opened.log.len_bytes();
    }
    let view = opened.log.reader().view().expect("a view");
    assert_eq!(view.read(96..101, usize::MAX).expect("records").len(), 5);
    assert!(opened.log.len_bytes() < 5 * 110_000);
}
