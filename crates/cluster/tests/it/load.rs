//! Many writers at once.

use nacrite_cluster::raft::RaftSettings;

use crate::machine::{beside, dir, open, open_with, set};

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_the_same_time_share_an_fsync() {
    let dir = dir();
    let (journal, shared) = open(dir.path()).await;
    let before = journal.metrics();
    let writers: Vec<_> = (0..64)
        .map(|writer| {
            let journal = journal.clone();
            beside(async move {
                for nth in 0..20 {
                    set(&journal, &format!("w{writer}"), &format!("{nth}")).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    let after = journal.metrics();
    let (commands, syncs) = (after.commands - before.commands, after.log_syncs - before.log_syncs);
    assert_eq!(commands, 64 * 20);
    assert!(syncs * 4 < commands, "{syncs} fsyncs for {commands} commands");
    assert!((0..64).all(|writer| shared.published()[&format!("w{writer}")] == "19"));
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_holds_no_more_than_it_may() {
    let dir = dir();
    let settings = RaftSettings { entry_len_max: 3, entry_bytes_max: 200, ..RaftSettings::default() };
    let (journal, _) = open_with(dir.path(), settings).await;
    let writers: Vec<_> = (0..40)
        .map(|writer| {
            let journal = journal.clone();
            let len = if writer % 10 == 0 { 1000 } else { 20 };
            beside(async move { journal.propose(format!("w{writer}={}", "x".repeat(len)).into()).await })
        })
        .collect();
    let mut indexes = std::collections::BTreeMap::new();
    for writer in writers {
        let committed = writer.await.expect("no panic").expect("it is committed");
        *indexes.entry(committed.index).or_insert(0) += 1;
    }
    assert!(indexes.values().all(|count| *count <= 3), "{indexes:?}");
    journal.shutdown().await;
}
