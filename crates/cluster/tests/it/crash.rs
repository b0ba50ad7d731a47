//! The process ends without a word: what was acknowledged is there when the files are opened again.

use nacrite_cluster::raft::RaftSettings;

use crate::machine::{Shared, copy, dir, open, set, try_open};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_end_of_the_process() {
    let dir = dir();
    let (journal, shared) = open(dir.path()).await;
    for nth in 0..60 {
        set(&journal, &format!("k{}", nth % 7), &format!("{nth}")).await;
        if nth % 10 == 0 {
            let acknowledged = shared.published();
            // Nothing is under way, so what is on disk now is what a kill would leave.
            let copy = copy(dir.path());
            let (again, recovered) = open(copy.path()).await;
            assert_eq!(recovered.published(), acknowledged, "after {nth}");
            set(&again, "after", "the crash").await;
            again.shutdown().await;
        }
    }
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_end_is_refused() {
    let dir = dir();
    let (journal, _) = open(dir.path()).await;
    set(&journal, "a", "1").await;
    let early = copy(dir.path());
    for nth in 0..20 {
        set(&journal, "a", &format!("{nth}")).await;
    }
    journal.shutdown().await;
    // A log from yesterday beside the state of today.
    std::fs::copy(early.path().join("log.redb"), dir.path().join("log.redb")).expect("a copy");
    let refused = try_open(dir.path(), RaftSettings::default(), &Shared::default()).await;
    let refused = refused.expect_err("the log is older than the state").to_string();
    assert!(refused.contains("this node's log is damaged at index"), "{refused}");
    assert!(refused.contains("but the state has applied index"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_is_made_again_from_the_log() {
    let dir = dir();
    let (journal, shared) = open(dir.path()).await;
    for nth in 0..30 {
        set(&journal, &format!("k{nth}"), "v").await;
    }
    journal.shutdown().await;
    std::fs::write(dir.path().join("state.redb"), b"not a state").expect("a file");
    let (journal, recovered) = open(dir.path()).await;
    assert_eq!(recovered.published(), shared.published());
    journal.shutdown().await;
}
