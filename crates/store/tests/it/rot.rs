//! Bits that flip in a file that lies still: found and named, or without effect, but never a wrong answer or a panic.

use nacrite_store::faulty::FaultyDisk;
use nacrite_store::{LogFile, OpenError, StateFile};

use crate::model::{LogModel, StateModel, log_workload, open_log, open_state, write};

/// A page of redb.
const PAGE_LEN: usize = 4096;

/// A log that was closed properly, and what is in it.
fn closed_log() -> (Vec<u8>, LogModel) {
    let disk = FaultyDisk::new();
    let mut log = open_log(&disk).expect("an empty disk takes a log");
    let mut model = LogModel::default();
    for steps in log_workload() {
        write(&mut log, &model.follow(&steps));
    }
    for index in model.next()..model.next() + 40 {
        write(&mut log, &model.follow(&[crate::model::LogStep::Append { index, len: 500 }]));
    }
    drop(log);
    (disk.live(), model)
}

fn closed_state() -> (Vec<u8>, StateModel) {
    let disk = FaultyDisk::new();
    let mut state = open_state(&disk).expect("an empty disk takes a state");
    let mut model = StateModel::default();
    for round in 0..12 {
        let (batch, applied) = model.follow(round);
        state.apply(&batch, &applied).expect("a sound disk takes a write");
    }
    drop(state);
    (disk.live(), model)
}

/// Where to flip: every byte of the header page's used part, and of every other page its head, its middle, its end and
/// some places between, but only in pages that hold anything.
fn places(image: &[u8]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..512).collect();
    for page in (PAGE_LEN..image.len()).step_by(PAGE_LEN) {
        if image[page..page + PAGE_LEN].iter().any(|byte| *byte != 0) {
            places.extend((0..PAGE_LEN).step_by(173).map(|at| page + at));
            places.extend([page + 2, page + PAGE_LEN / 2, page + PAGE_LEN - 1]);
        }
    }
    places
}

/// Flips one bit at every place and opens the file. Answers how often that was found, and how often without effect.
fn flip_all<T: PartialEq + std::fmt::Debug>(
    image: &[u8],
    truth: &T,
    read: impl Fn(&FaultyDisk) -> Result<T, String>,
) -> (usize, usize) {
    let (mut found, mut harmless) = (0, 0);
    for place in places(image) {
        let mut rotten = image.to_vec();
        rotten[place] ^= 1 << (place % 8);
        match read(&FaultyDisk::holding(rotten)) {
            Ok(seen) => {
                assert_eq!(seen, *truth, "a flip at {place} made the file tell something else");
                harmless += 1;
            }
            Err(message) => {
                assert!(message.contains("this node's ") && message.contains("is damaged at "), "{place}: {message}");
                found += 1;
            }
        }
    }
    (found, harmless)
}

#[test]
fn a_flipped_bit_in_a_closed_log_is_found_or_harmless() {
    let (image, truth) = closed_log();
    let read = |disk: &FaultyDisk| {
        let log: LogFile = open_log(disk).map_err(|error: OpenError| error.to_string())?;
        LogModel::of(&log).map_err(|error| error.to_string())
    };
    assert_eq!(read(&FaultyDisk::holding(image.clone())), Ok(truth.clone()));
    let (found, harmless) = flip_all(&image, &truth, read);
    assert!(found > 50, "{found} found, {harmless} harmless");
}

/// The one thing that a log with a single fsync per write cannot tell: whether its last write was torn by a crash, and
/// so never acknowledged, or rotted afterwards. Only the last write of a log that was not closed is in doubt.
#[test]
fn a_flipped_bit_in_a_log_that_was_not_closed_costs_at_most_its_last_write() {
    let disk = FaultyDisk::new();
    let mut log = open_log(&disk).expect("an empty disk takes a log");
    let mut model = LogModel::default();
    let mut before_last = model.clone();
    for steps in log_workload() {
        before_last = model.clone();
        write(&mut log, &model.follow(&steps));
    }
    let image = disk.live();
    let (mut found, mut undone, mut harmless) = (0, 0, 0);
    for place in places(&image) {
        let mut rotten = image.clone();
        rotten[place] ^= 1 << (place % 8);
        match open_log(&FaultyDisk::holding(rotten)).map(|log| LogModel::of(&log)) {
            Ok(Ok(seen)) if seen == model => harmless += 1,
            Ok(Ok(seen)) if seen == before_last => undone += 1,
            Ok(Ok(seen)) => panic!("a flip at {place} made the log tell {seen:?}"),
            Ok(Err(_)) | Err(OpenError::Damaged(_)) => found += 1,
            Err(other) => panic!("a flip at {place}: {other}"),
        }
    }
    assert!(found + undone > 50, "{found} found, {undone} undone, {harmless} harmless");
}

#[test]
fn a_flipped_bit_in_a_closed_state_is_found_or_harmless() {
    let (image, truth) = closed_state();
    let read = |disk: &FaultyDisk| {
        let state: StateFile = open_state(disk).map_err(|error: OpenError| error.to_string())?;
        StateModel::of(&state).map_err(|error| error.to_string())
    };
    assert_eq!(read(&FaultyDisk::holding(image.clone())), Ok(truth.clone()));
    let (found, harmless) = flip_all(&image, &truth, read);
    assert!(found > 50, "{found} found, {harmless} harmless");
}

#[test]
fn a_bit_that_flips_under_an_open_log_is_found_when_the_record_is_read() {
    let (image, truth) = closed_log();
    let (index, payload) = truth.records.iter().next_back().expect("the workload leaves records");
    let disk = FaultyDisk::holding(image.clone());
    // Opened sound and without a cache; then the payload of one record changes on disk.
    let log = LogFile::open_on(disk.clone(), 0).expect("the log is sound");
    for copy in (0..=image.len() - payload.len()).filter(|start| image[*start..].starts_with(payload)) {
        disk.flip(copy + 7, 3);
    }
    let read = log.reader().view().and_then(|view| view.read(*index..index + 1, usize::MAX));
    let message = read.expect_err("the record is damaged").to_string();
    assert!(message.contains(&format!("this node's log is damaged at index {index}: the checksum")), "{message}");
}

#[test]
fn a_file_that_is_no_log_is_refused_as_damage() {
    let (image, _) = closed_log();
    for rotten in [vec![7; 100], image[..image.len() / 2].to_vec(), image[..4096].to_vec()] {
        let refused = open_log(&FaultyDisk::holding(rotten)).map(|_| ());
        assert!(matches!(refused, Err(OpenError::Damaged(_))), "{refused:?}");
    }
}
