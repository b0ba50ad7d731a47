//! Opening, what is refused, and the end.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nacrite_cluster::raft::{ProposeError, RaftSettings, SyncMode};
use nacrite_store::{OpenError, StoreError, Table};

use crate::machine::{Shared, beside, dir, open, open_with, rows, set, try_open};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_visible_at_once_and_after_opening_again() {
    let dir = dir();
    let (journal, shared) = open(dir.path()).await;
    assert!(journal.is_leader());
    set(&journal, "a", "1").await;
    set(&journal, "a", "2").await;
    set(&journal, "b", "3").await;
    let expected = [("a".to_owned(), "2".to_owned()), ("b".to_owned(), "3".to_owned())].into();
    assert_eq!(shared.published(), expected);
    assert_eq!(rows(&journal.reader()).expect("rows"), expected);
    let node = journal.metrics().node;
    journal.shutdown().await;

    let (journal, shared) = open(dir.path()).await;
    assert_eq!(shared.published(), expected);
    assert_eq!(journal.metrics().node, node, "a node keeps its id");
    assert_eq!(journal.metrics().term, 2, "each start is an election");
    set(&journal, "c", "4").await;
    journal.shutdown().await;
    assert_eq!(shared.fatal(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_grow() {
    let dir = dir();
    let (journal, _) = open(dir.path()).await;
    let first = journal.propose("a=1".into()).await.expect("it is committed");
    let second = journal.propose("a=2".into()).await.expect("it is committed");
    assert!(first.index < second.index);
    let metrics = journal.metrics();
    assert_eq!((metrics.applied, metrics.commands), (Some(second.index), 2));
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_use_and_a_newer_format_are_refused() {
    let dir = dir();
    let (journal, _) = open(dir.path()).await;
    let refused = try_open(dir.path(), RaftSettings::default(), &Shared::default()).await.expect_err("it is in use");
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    journal.shutdown().await;
    let (journal, _) = open(dir.path()).await;
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_command_stops_the_node_and_is_named() {
    let dir = dir();
    let (journal, shared) = open(dir.path()).await;
    set(&journal, "a", "1").await;
    let refused = journal.propose("!".into()).await.expect_err("nobody knows it");
    let told = "cannot be applied: a command that nobody knows";
    assert!(matches!(&refused, ProposeError::Unknown(reason) if reason.contains(told)), "{refused}");
    let after = journal.propose("b=1".into()).await.expect_err("the node has stopped");
    assert!(matches!(&after, ProposeError::Unknown(reason) if reason.contains(told)), "{after}");
    assert_eq!(shared.fatal().len(), 1, "{:?}", shared.fatal());
    assert!(journal.failure().is_some_and(|reason| reason.contains(told)));
    journal.shutdown().await;

    // It stands in the log: a binary that does not know it cannot start, and says so.
    let refused = try_open(dir.path(), RaftSettings::default(), &Shared::default()).await;
    let refused = match refused {
        Err(error) => error.to_string(),
        Ok(journal) => {
            assert!(!journal.wait_ready(Duration::from_secs(20)).await);
            journal.failure().expect("a reason")
        }
    };
    assert!(refused.contains(told), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_panics_stops_the_node() {
    let dir = dir();
    let (journal, shared) = open(dir.path()).await;
    let refused = journal.propose("~".into()).await.expect_err("nobody is left who answers");
    assert!(matches!(refused, ProposeError::Unknown(_)), "{refused}");
    // The thread tells while it ends, which may be after the answer.
    while shared.fatal().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(shared.fatal()[0].contains("a machine that breaks"), "{:?}", shared.fatal());
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so() {
    let dir = dir();
    let settings = RaftSettings { queue_len_max: 4, queue_bytes_max: 100, ..RaftSettings::default() };
    let (journal, shared) = open_with(dir.path(), settings).await;
    let propose = |command: Bytes| {
        let journal = journal.clone();
        beside(async move { journal.propose(command).await })
    };
    // One is under way and does not end; then one larger than the queue, which is taken as nothing waits; then nothing
    // more fits, although the number would.
    let blocked = propose("?".into());
    while journal.metrics().last_log == journal.metrics().applied {
        tokio::task::yield_now().await;
    }
    let large = propose(format!("large={}", "x".repeat(500)).into());
    while journal.metrics().queued < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(journal.propose("a=1".into()).await, Err(ProposeError::Full));
    shared.release();
    blocked.await.expect("no panic").expect("it is committed");
    large.await.expect("no panic").expect("it is committed");
    set(&journal, "a", "2").await;
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_writes_everything_and_can_be_asked_for_twice() {
    let dir = dir();
    let (journal, _) = open(dir.path()).await;
    let reader = journal.reader();
    let waiting: Vec<_> = (0..50)
        .map(|nth| {
            let journal = journal.clone();
            beside(async move { journal.propose(format!("k{nth}=v").into()).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    let (_, _) = tokio::join!(journal.shutdown(), journal.shutdown());
    for waiting in waiting {
        outcomes.push(waiting.await.expect("no panic"));
    }
    assert_eq!(journal.propose("late=1".into()).await, Err(ProposeError::Stopped));
    assert!(matches!(reader.get(Table::Config, b"k0"), Err(StoreError::Closed { .. })));
    journal.shutdown().await;

    let (journal, shared) = open(dir.path()).await;
    for (nth, outcome) in outcomes.into_iter().enumerate() {
        let is_there = shared.published().contains_key(&format!("k{nth}"));
        match outcome {
            Ok(_) => assert!(is_there, "k{nth} was acknowledged"),
            Err(error) => assert_eq!((error, is_there), (ProposeError::Stopped, false), "k{nth}"),
        }
    }
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_ever() {
    let dir = dir();
    let settings = RaftSettings { shutdown_timeout: Duration::from_millis(50), ..RaftSettings::default() };
    let (journal, shared) = open_with(dir.path(), settings).await;
    let blocked = journal.clone();
    let blocked = beside(async move { blocked.propose("?".into()).await });
    while journal.metrics().last_log == journal.metrics().applied {
        tokio::task::yield_now().await;
    }
    #[expect(clippy::disallowed_methods, reason = "the test is about real time")]
    let began = Instant::now();
    journal.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    shared.release();
    // It was in the log before the shutdown began, so it may have ended either way.
    drop(blocked.await.expect("no panic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_in_time_is_unknown() {
    let dir = dir();
    let settings = RaftSettings { propose_timeout: Duration::from_millis(20), ..RaftSettings::default() };
    let (journal, shared) = open_with(dir.path(), settings).await;
    let refused = journal.propose("?".into()).await.expect_err("nobody answers");
    assert!(matches!(refused, ProposeError::Unknown(_)), "{refused}");
    shared.release();
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_between_syncs_loses_nothing_on_a_proper_end() {
    let dir = dir();
    let sync = SyncMode::Interval(Duration::from_millis(20));
    let settings = RaftSettings { sync, ..RaftSettings::default() };
    let (journal, _) = open_with(dir.path(), settings.clone()).await;
    for nth in 0..200 {
        set(&journal, &format!("k{nth}"), "v").await;
    }
    let metrics = journal.metrics();
    assert!(metrics.log_syncs < 100, "{metrics:?}");
    journal.shutdown().await;
    let (journal, shared) = open_with(dir.path(), settings).await;
    assert_eq!(shared.published().len(), 200);
    journal.shutdown().await;
}
