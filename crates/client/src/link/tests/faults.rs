//! Faults of the way and of the server: noticed in time, overcome in time, and nothing is left behind.

use super::*;
use tokio::time::Instant;

fn now() -> Instant {
    crate::clock::now()
}

#[tokio::test]
async fn a_server_that_is_gone_without_a_word_is_noticed_within_ten_seconds() {
    let (first, second) = (ScriptedServer::start().await, ScriptedServer::start_at([127, 0, 0, 2]).await);
    let rig = Rig::new(&[&first]);
    rig.ready().await;
    rig.servers.set(&[&first, &second]);
    first.freeze();
    let before = now();
    let state = rig.state(|state| state.phase == Phase::Unhealthy).await;
    let noticed = before.elapsed();
    assert!(noticed < Duration::from_secs(10), "{noticed:?}");
    assert!(noticed > Duration::from_secs(4), "not without cause: {noticed:?}");
    assert!(state.failure.is_some_and(|failure| failure.to_string().contains("does not answer")));
    rig.session(|session| session.server == second.address()).await;
    assert!(before.elapsed() < Duration::from_secs(10));
    rig.close().await;
}

#[tokio::test]
async fn a_reset_is_noticed_at_once() {
    let (first, second) = (ScriptedServer::start().await, ScriptedServer::start_at([127, 0, 0, 2]).await);
    let rig = Rig::new(&[&first]);
    rig.ready().await;
    rig.servers.set(&[&first, &second]);
    let before = now();
    first.cut();
    rig.session(|session| session.server == second.address()).await;
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    rig.close().await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_within_three_seconds() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    let first = rig.session(|_| true).await;
    for down in [Duration::from_millis(10), Duration::from_secs(4)] {
        server.stop().await;
        let waiting = rig.state(|state| state.phase == Phase::Unhealthy).await;
        assert_eq!(waiting.server, Some(server.address()), "the last one is remembered");
        // The time of a server that is down cannot be made shorter: its sockets are real.
        let refused = rig.link.ask(&question(), ABOUT, down).await;
        assert!(matches!(refused, Err(Error::NotConnected(Some(_)))), "{refused:?}");
        server.start_again().await;
        let before = now();
        rig.session(|session| session.generation > first.generation).await;
        assert!(before.elapsed() < Duration::from_secs(3), "{:?}", before.elapsed());
    }
    rig.close().await;
}

#[tokio::test]
async fn a_thousand_reconnects_leave_no_task_and_no_connection_behind() {
    let server = ScriptedServer::start().await;
    let rig = Rig::tireless(&[&server]);
    let mut generation = rig.session(|_| true).await.generation;
    let tasks = rig.tasks.count();
    for turn in 0..1000 {
        match turn % 4 {
            0 => server.cut(),
            1 => server.end_streams(),
            2 => {
                server.send("ConnectResetRequest", serde_json::json!({}));
            }
            _ => {
                server.forget();
                rig.ask().await.expect("an answer");
            }
        }
        generation = rig.session(|session| session.generation > generation).await.generation;
    }
    server.until(|counts| (counts.open, counts.registered) == (1, 1)).await;
    assert!(server.counts().accepted >= 1001, "{:?}", server.counts());
    let left = async {
        while rig.tasks.count() > tasks {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, left).await.expect("the tasks of old connections end");
    rig.close().await;
    server.until(|counts| counts.open == 0).await;
}

#[tokio::test]
async fn a_link_that_is_dropped_leaves_no_task_and_no_connection_behind() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    rig.ready().await;
    let Rig { link, tasks, .. } = rig;
    drop(link);
    server.until(|counts| counts.open == 0).await;
    assert!(tasks.stop_all(PATIENCE).await);
}
