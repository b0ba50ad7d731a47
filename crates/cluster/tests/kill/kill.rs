//! What was acknowledged by a process before it was killed is there for the next one.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use nacrite_cluster::raft::RaftSettings;

use crate::machine::{beside, dir, open, open_with, set};

/// Names the directory for the process that is going to be killed.
const VICTIM_DIR: &str = "NACRITE_TEST_VICTIM_DIR";

/// Not a test by itself: what [`a_killed_process_loses_no_acknowledged_write`] starts and kills. Writes for ever, from
/// many tasks, and says what was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Ok(dir) = std::env::var(VICTIM_DIR) else { return };
    // Checkpoints and snapshots all the time, so that the kill falls into some.
    let settings = RaftSettings {
        checkpoint_after: Duration::from_millis(1),
        checkpoint_within: Duration::from_millis(2),
        snapshot_bytes: 20_000,
        kept_entries: 20,
        ..RaftSettings::default()
    };
    let (journal, _) = open_with(dir.as_ref(), settings).await;
    let writers = (0..16).map(|writer| {
        let journal = journal.clone();
        beside(async move {
            for nth in 0_u64.. {
                set(&journal, &format!("w{writer}"), &format!("{nth:08}")).await;
                println!("acknowledged w{writer} {nth:08}");
            }
        })
    });
    futures_util::future::join_all(writers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_no_acknowledged_write() {
    let dir = dir();
    let mut last = std::collections::BTreeMap::new();
    for round in 0..6 {
        let program = std::env::current_exe().expect("this test");
        let mut victim = Command::new(program)
            .args(["--exact", "kill::victim", "--nocapture"])
            .env(VICTIM_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the test can start itself");
        let mut seen = 0;
        for line in BufReader::new(victim.stdout.take().expect("its output")).lines() {
            let line = line.expect("text");
            let mut words = line.split_whitespace().skip_while(|word| *word != "acknowledged").skip(1);
            // The kill may cut the last line.
            let (Some(key), Some(value)) = (words.next(), words.next().filter(|value| value.len() == 8)) else {
                continue;
            };
            last.insert(key.to_owned(), value.to_owned());
            seen += 1;
            if seen == 150 + 170 * round {
                victim.kill().expect("it runs");
            }
        }
        victim.wait().expect("it ended");
        assert!(seen >= 150, "the victim wrote {seen} times");
        let (journal, recovered) = open(dir.path()).await;
        let recovered = recovered.published();
        for (key, value) in &last {
            assert!(recovered.get(key).is_some_and(|found| found >= value), "{key} = {value}: {recovered:?}");
        }
        journal.shutdown().await;
        // The next victim counts from 0 again.
        last.clear();
        std::fs::remove_dir_all(dir.path()).expect("the directory");
    }
}
