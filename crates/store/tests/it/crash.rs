//! A crash at every point of a workload: what was acknowledged is there, what was never written is not, and a write
//! that was under way is there as a whole or not at all.
//!
//! The model of the disk: a crash keeps everything before the last sync, any number of the writes after it in their
//! order, and of the last of these any number of bytes. As the disk may also keep later writes and lose earlier ones,
//! some arbitrary choices are tried on top.

use nacrite_store::faulty::{Failure, FaultyDisk, Operation};
use nacrite_store::{Durability, StoreError};

use crate::model::{LogModel, StateModel, log_workload, open_log, open_state, write};

/// The image that a crash leaves, and how many operations of the history it is made of.
type OnImage<'a> = dyn FnMut(Vec<u8>, usize) + 'a;

/// Shows every crash of the model to `visit`, from operation `start` on.
fn each_crash(history: &[Operation], start: usize, visit: &mut OnImage<'_>) {
    let mut image = Vec::new();
    let mut synced = Vec::new();
    let mut unsynced = Vec::new();
    for (at, operation) in history.iter().enumerate() {
        if at >= start {
            for kept in torn_at(operation) {
                let mut torn = image.clone();
                operation.apply_torn(&mut torn, kept);
                visit(torn, at);
            }
            if *operation == Operation::Sync {
                some_orders(&synced, &unsynced, at, visit);
            }
        }
        operation.apply(&mut image);
        unsynced.push(operation.clone());
        if *operation == Operation::Sync {
            synced.clone_from(&image);
            unsynced.clear();
        }
    }
    visit(image, history.len());
}

/// After how many bytes a write is torn. Every byte of a short write, as headers are short and each of their fields
/// matters; of a page, every 64 bytes and around each end: no field of a page that decides anything is longer, and all
/// of a page hangs on one checksum.
fn torn_at(operation: &Operation) -> Vec<usize> {
    match operation {
        Operation::Write { data, .. } if data.len() <= 512 => (0..=data.len()).collect(),
        Operation::Write { data, .. } => {
            let len = data.len();
            (0..len).step_by(64).chain([1, 2, 3, len - 2, len - 1, len]).collect()
        }
        Operation::SetLen(_) => vec![0],
        Operation::Sync => Vec::new(),
    }
}

/// Some subsets of the writes since the last sync, as a cache that writes in any order leaves them.
fn some_orders(synced: &[u8], unsynced: &[Operation], at: usize, visit: &mut OnImage<'_>) {
    let mut bits: u64 = 0x9e37_79b9_7f4a_7c15 ^ at as u64;
    for _ in 0..24 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut image = synced.to_vec();
        for (nth, operation) in unsynced.iter().enumerate() {
            let is_kept = bits >> (nth % 61) & 1 == 1;
            // The length of the file is the file system's, which keeps it in order.
            if is_kept || matches!(operation, Operation::SetLen(_)) {
                operation.apply(&mut image);
            }
        }
        visit(image, at);
    }
}

#[test]
fn the_log_keeps_what_it_acknowledged_through_every_crash() {
    let disk = FaultyDisk::new();
    let mut log = open_log(&disk).expect("an empty disk takes a log");
    let start = disk.operations();
    let mut model = LogModel::default();
    // How many operations had been done when a write returned, and what the log then held.
    let mut acknowledged = vec![(0, model.clone())];
    for steps in log_workload() {
        let batch = model.follow(&steps);
        write(&mut log, &batch);
        log.sweep().expect("a sound disk takes a write");
        acknowledged.push((disk.operations(), model.clone()));
    }
    log.checkpoint().expect("a sound disk takes a checkpoint");
    drop(log);

    let mut crashes = 0;
    each_crash(&disk.history(), start, &mut |image, operations| {
        crashes += 1;
        let log = open_log(&FaultyDisk::holding(image)).unwrap_or_else(|error| panic!("at {operations}: {error}"));
        let found = LogModel::of(&log).unwrap_or_else(|error| panic!("at {operations}: {error}"));
        let last = acknowledged.iter().rposition(|(done, _)| *done <= operations).expect("the first is at 0");
        let under_way = acknowledged.get(last + 1);
        let is_right = found == acknowledged[last].1 || under_way.is_some_and(|(_, model)| found == *model);
        assert!(is_right, "at {operations}: {found:?}, acknowledged: {:?}", acknowledged[last].1);
    });
    assert!(crashes > 1000, "{crashes} crashes");
}

#[test]
fn a_log_that_crashed_goes_on() {
    let disk = FaultyDisk::new();
    let mut log = open_log(&disk).expect("an empty disk takes a log");
    let mut model = LogModel::default();
    for steps in log_workload() {
        write(&mut log, &model.follow(&steps));
        // The image of this moment, without the end of the writer.
        let crashed = FaultyDisk::holding(disk.live());
        let mut log = open_log(&crashed).expect("a crashed log opens");
        let mut model = model.clone();
        let step = crate::model::LogStep::Append { index: model.next(), len: 4000 };
        write(&mut log, &model.follow(&[step]));
        drop(log);
        let log = open_log(&crashed).expect("a closed log opens");
        assert_eq!(LogModel::of(&log).expect("it can be read"), model);
    }
}

#[test]
fn the_state_is_at_a_checkpoint_after_every_crash() {
    let disk = FaultyDisk::new();
    let mut state = open_state(&disk).expect("an empty disk takes a state");
    let start = disk.operations();
    let mut model = StateModel::default();
    let mut checkpoints = vec![(0, model.clone())];
    for round in 0..9 {
        let (batch, applied) = model.follow(round);
        state.apply(&batch, &applied).expect("a sound disk takes a write");
        if round % 3 == 2 {
            state.checkpoint().expect("a sound disk takes a checkpoint");
            checkpoints.push((disk.operations(), model.clone()));
        }
    }
    let history = disk.history();
    each_crash(&history, start, &mut |image, operations| {
        let state = open_state(&FaultyDisk::holding(image)).unwrap_or_else(|error| panic!("at {operations}: {error}"));
        let found = StateModel::of(&state).unwrap_or_else(|error| panic!("at {operations}: {error}"));
        let last = checkpoints.iter().rposition(|(done, _)| *done <= operations).expect("the first is at 0");
        let under_way = checkpoints.get(last + 1);
        let is_right = found == checkpoints[last].1 || under_way.is_some_and(|(_, model)| found == *model);
        assert!(is_right, "at {operations}: {found:?}");
    });
}

#[test]
fn deferred_writes_of_the_log_become_durable_together() {
    let disk = FaultyDisk::new();
    let mut log = open_log(&disk).expect("an empty disk takes a log");
    let mut model = LogModel::default();
    let before = model.clone();
    for steps in log_workload() {
        log.write(&model.follow(&steps), Durability::Deferred).expect("a sound disk takes a write");
    }
    assert_eq!(LogModel::of(&log).expect("it can be read"), model);
    let crashed = open_log(&FaultyDisk::holding(disk.live())).expect("a crashed log opens");
    assert_eq!(LogModel::of(&crashed).expect("it can be read"), before);
    log.sync().expect("a sound disk syncs");
    let crashed = open_log(&FaultyDisk::holding(disk.live())).expect("a crashed log opens");
    assert_eq!(LogModel::of(&crashed).expect("it can be read"), model);
}

#[test]
fn after_a_failed_write_or_sync_the_log_takes_no_more_writes() {
    for failure in [Failure::Sync, Failure::Write] {
        let disk = FaultyDisk::new();
        let mut log = open_log(&disk).expect("an empty disk takes a log");
        let mut model = LogModel::default();
        let steps = log_workload();
        write(&mut log, &model.follow(&steps[0]));
        let acknowledged = model.clone();
        disk.fail(failure);
        let batch = model.follow(&steps[1]);
        let refused = log.write(&batch, Durability::Immediate);
        assert!(matches!(refused, Err(StoreError::Io { .. })), "{failure:?}: {refused:?}");
        let again = log.write(&batch, Durability::Immediate);
        assert!(matches!(again, Err(StoreError::Failed { .. })), "{failure:?}: {again:?}");
        drop(log);
        let log = open_log(&FaultyDisk::holding(disk.live())).expect("the log opens again");
        let found = LogModel::of(&log).expect("it can be read");
        assert!(found == acknowledged || found == model, "{failure:?}: {found:?}");
    }
}
