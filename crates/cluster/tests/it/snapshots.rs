//! Snapshots, what stays of the log behind them, and starting from one.

use std::fs;
use std::time::Duration;

use nacrite_cluster::raft::{Journal, RaftSettings};

use crate::machine::{dir, open_with, set};

/// A snapshot every few writes, and little of the log kept.
fn settings() -> RaftSettings {
    RaftSettings { snapshot_bytes: 4000, kept_entries: 5, kept_bytes: 100_000, ..RaftSettings::default() }
}

/// Writes until the log was purged behind a snapshot.
async fn write_until_purged(journal: &Journal) -> u64 {
    let from = journal.metrics().purged;
    let mut nth = 0;
    while journal.metrics().purged == from {
        set(journal, &format!("k{}", nth % 50), &format!("{nth}{}", "x".repeat(100))).await;
        nth += 1;
        assert!(nth < 20_000, "{:?}", journal.metrics());
    }
    nth
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_purged_behind_a_snapshot_and_opens_again() {
    let dir = dir();
    let (journal, shared) = open_with(dir.path(), settings()).await;
    write_until_purged(&journal).await;
    write_until_purged(&journal).await;
    write_until_purged(&journal).await;
    let metrics = journal.metrics();
    assert!(metrics.purged <= metrics.snapshot && metrics.snapshot <= metrics.applied, "{metrics:?}");
    journal.shutdown().await;
    let names = |dir: &std::path::Path| -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").file_name());
        entries.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.starts_with("snap-")).collect()
    };
    assert_eq!(names(dir.path()).len(), 2, "{:?}", names(dir.path()));

    let (journal, recovered) = open_with(dir.path(), settings()).await;
    assert_eq!(recovered.published(), shared.published());
    set(&journal, "more", "1").await;
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_the_log_is_bounded_by_bytes_as_well() {
    let dir = dir();
    let settings = RaftSettings { snapshot_bytes: 30_000, kept_entries: 5000, kept_bytes: 2000, ..settings() };
    let (journal, _) = open_with(dir.path(), settings).await;
    write_until_purged(&journal).await;
    let metrics = journal.metrics();
    assert!(metrics.last_log.is_some_and(|last| last < 5000), "{metrics:?}");
    assert!(metrics.log_bytes < 30_000, "{metrics:?}");
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_made_in_time_if_anything_changed() {
    let dir = dir();
    let settings = RaftSettings { snapshot_every: Duration::from_millis(5), ..RaftSettings::default() };
    let (journal, _) = open_with(dir.path(), settings).await;
    set(&journal, "a", "1").await;
    while journal.metrics().snapshot.is_none() {
        tokio::task::yield_now().await;
    }
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_state_comes_back_from_the_snapshot_and_the_log() {
    let dir = dir();
    let (journal, shared) = open_with(dir.path(), settings()).await;
    write_until_purged(&journal).await;
    set(&journal, "last", "1").await;
    journal.shutdown().await;
    fs::remove_file(dir.path().join("state.redb")).expect("the state is there");
    let (journal, recovered) = open_with(dir.path(), settings()).await;
    assert_eq!(recovered.published(), shared.published());
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_one_starts_again_from_its_newest_snapshot_alone() {
    let dir = dir();
    let (journal, _) = open_with(dir.path(), settings()).await;
    write_until_purged(&journal).await;
    let before = journal.metrics();
    journal.shutdown().await;
    for file in ["log.redb", "state.redb"] {
        fs::remove_file(dir.path().join(file)).expect("the file is there");
    }
    let (journal, recovered) = open_with(dir.path(), settings()).await;
    let after = journal.metrics();
    assert_eq!(after.node, before.node, "the only member keeps its id");
    assert!(after.term > before.term && after.applied > before.snapshot, "{before:?} {after:?}");
    assert!(!recovered.published().is_empty());
    set(&journal, "goes", "on").await;
    let expected = recovered.published();
    journal.shutdown().await;
    let (journal, recovered) = open_with(dir.path(), settings()).await;
    assert_eq!(recovered.published(), expected);
    journal.shutdown().await;
}
