//! Going elsewhere: because a server asks for it, because it is lost, because it left the list.

use super::*;
use crate::testkit::Reply;

/// Checklist, 3.
#[tokio::test]
async fn the_end_of_the_stream_alone_is_followed_by_another_connection() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    let first = rig.session(|_| true).await;
    server.end_streams();
    let second = rig.session(|session| session.generation > first.generation).await;
    assert!(second.generation > first.generation);
    rig.ask().await.expect("an answer");
    server.until(|counts| (counts.open, counts.registered) == (1, 1)).await;
    rig.close().await;
}

/// Checklist, 2.
#[tokio::test]
async fn a_client_that_the_server_forgot_comes_back_and_the_request_is_answered() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    let first = rig.session(|_| true).await;
    server.forget();
    rig.ask().await.expect("an answer, and no error of the connection");
    assert!(rig.session(|_| true).await.generation > first.generation);
    assert_eq!(server.counts().accepted, 2);
    rig.close().await;
}

/// Checklist, 4.
#[tokio::test]
async fn a_wish_to_leave_is_acknowledged_and_obeyed_before_the_old_connection_is_closed() {
    let (first, second) =
        (ScriptedServer::start_at([127, 0, 0, 1]).await, ScriptedServer::start_at([127, 0, 0, 2]).await);
    let third = ScriptedServer::start_at([127, 0, 0, 3]).await;
    let rig = Rig::new(&[&first]);
    rig.session(|_| true).await;
    rig.servers.set(&[&first, &second, &third]);
    let mut state = rig.link.state();
    state.mark_unchanged();
    // A new connection does not answer until the test allows it: as long as that takes, the old one must serve.
    second.freeze();
    let ack = first.send_away(Some(&second.address())).await;
    assert_eq!((ack.wire_type.as_str(), &ack.body["resultCode"]), ("ConnectResetResponse", &200.into()));
    rig.ask().await.expect("the old connection serves");
    assert_eq!(first.counts().registered, 1);
    second.thaw();
    rig.session(|session| session.server == second.address()).await;
    rig.ask().await.expect("the new connection serves");
    first.until(|counts| counts.open == 0).await;
    assert_eq!((second.counts().accepted, third.counts().accepted), (1, 0));
    assert_eq!(state.borrow().phase, Phase::Running, "there was no gap");
    rig.close().await;
}

/// Checklist, 4: without an address the client leaves as well, though the connection is healthy.
#[tokio::test]
async fn a_wish_to_leave_without_an_address_is_obeyed_though_the_connection_is_healthy() {
    let (first, second) = (ScriptedServer::start().await, ScriptedServer::start_at([127, 0, 0, 2]).await);
    let rig = Rig::new(&[&first]);
    rig.session(|_| true).await;
    rig.servers.set(&[&first, &second]);
    first.send_away(None).await;
    rig.session(|session| session.server == second.address()).await;
    assert_eq!(first.seen(Some("HealthCheckRequest")), []);
    // An address that is not in the list is no reason to stay, and none to go there.
    let stranger = ScriptedServer::start_at([127, 0, 0, 9]).await;
    second.send_away(Some(&stranger.address())).await;
    rig.session(|session| session.server == first.address()).await;
    assert_eq!(stranger.counts().accepted, 0);
    rig.close().await;
}

/// Checklist, 5.
#[tokio::test]
async fn the_old_connection_is_seen_to_go_before_the_new_one_is_seen_and_generations_grow() {
    let server = ScriptedServer::start().await;
    let rig = Rig::tireless(&[&server]);
    let mut sessions = rig.link.session();
    let mut seen = vec![rig.session(|_| true).await.generation];
    sessions.mark_unchanged();
    for _ in 0..20 {
        server.cut();
        loop {
            sessions.changed().await.expect("the link lives");
            let session = sessions.borrow_and_update().clone();
            if let Some(session) = session {
                seen.push(session.generation);
                break;
            }
        }
    }
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
    // What belongs to an old connection is refused at once and never sent on another one.
    let old = rig.link.ask_in(seen[0], &question(), ABOUT, SOON).await;
    assert!(matches!(old, Err(Error::NotConnected(_))), "{old:?}");
    assert_eq!(server.seen(Some("ServiceListRequest")), []);
    rig.close().await;
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_request_of_its_own_is_not_replaced_by_another_one() {
    let server = ScriptedServer::start().await;
    server.on("ServiceListRequest", |_| Reply::Cut);
    let rig = Rig::new(&[&server]);
    let session = rig.session(|_| true).await;
    let asked = rig.link.ask_in(session.generation, &question(), ABOUT, SOON).await;
    assert!(matches!(asked, Err(Error::NotConnected(_) | Error::Broken(_))), "{asked:?}");
    assert_eq!(server.seen(Some("ServiceListRequest")).len(), 1);
    rig.close().await;
}

#[tokio::test]
async fn a_server_that_leaves_the_list_is_left_and_an_empty_list_changes_nothing() {
    let (first, second) = (ScriptedServer::start().await, ScriptedServer::start_at([127, 0, 0, 2]).await);
    let rig = Rig::new(&[]);
    assert!(matches!(rig.link.ready(Duration::from_millis(20)).await, Err(Error::NotConnected(None))));
    assert_eq!(rig.link.state().borrow().phase, Phase::Initialised);
    rig.servers.set(&[&first]);
    rig.ready().await;
    rig.servers.set(&[]);
    rig.ask().await.expect("what stands goes on standing");
    rig.servers.set(&[&second]);
    rig.session(|session| session.server == second.address()).await;
    first.until(|counts| counts.open == 0).await;
    rig.close().await;
}

#[tokio::test]
async fn a_broken_connection_is_replaced_by_one_to_another_server() {
    let servers = [
        ScriptedServer::start().await,
        ScriptedServer::start_at([127, 0, 0, 2]).await,
        ScriptedServer::start_at([127, 0, 0, 3]).await,
    ];
    let rig = Rig::tireless(&servers.each_ref());
    let mut session = rig.session(|_| true).await;
    for _ in 0..6 {
        let held = servers.iter().find(|server| server.address() == session.server).expect("one of them");
        held.cut();
        let next = rig.session(|next| next.generation > session.generation).await;
        assert_ne!(next.server, session.server, "another one is tried first");
        session = next;
    }
    // Two of three are gone: the third is found at once.
    let lost: Vec<_> = servers.iter().filter(|server| server.address() != session.server).collect();
    for server in &lost {
        server.stop().await;
    }
    let held = servers.iter().find(|server| server.address() == session.server).expect("one of them");
    held.cut();
    let next = rig.session(|next| next.generation > session.generation).await;
    assert_eq!(next.server, held.address());
    rig.close().await;
}

/// Who heard of a session was told `NotConnected` about it, because requests were let through a moment later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hears_of_a_connection_can_use_it() {
    let server = ScriptedServer::start().await;
    let rig = Rig::tireless(&[&server]);
    let mut generation = rig.session(|_| true).await.generation;
    for _ in 0..200 {
        rig.link.ask_in(generation, &question(), ABOUT, SOON).await.expect("an answer");
        server.cut();
        generation = rig.session(|session| session.generation > generation).await.generation;
    }
    rig.close().await;
}

/// Somebody who only holds on to what is told must find the same in the end, however much happened in between.
#[tokio::test]
async fn what_is_told_agrees_once_it_is_quiet() {
    let (first, second) = (ScriptedServer::start().await, ScriptedServer::start_at([127, 0, 0, 2]).await);
    let rig = Rig::tireless(&[&first, &second]);
    for turn in 0..40 {
        rig.ready().await;
        let (one, other) = if turn % 2 == 0 { (&first, &second) } else { (&second, &first) };
        one.end_streams();
        other.forget();
        rig.ask().await.expect("an answer");
    }
    let session = rig.session(|_| true).await;
    let state = rig.state(|state| state.phase == Phase::Running).await;
    assert_eq!((state.server, state.generation), (Some(session.server.clone()), Some(session.generation)));
    assert!(state.failure.is_none());
    rig.link.ask_in(session.generation, &question(), ABOUT, SOON).await.expect("an answer");
    rig.close().await;
}
