//! No question outlives its time, and each failure means what it says.

use super::*;
use crate::testkit::Reply;
use tokio::time::Instant;

/// How much later than promised a question may end.
const SLACK: Duration = Duration::from_millis(50);

/// Asks, and checks that the time was kept.
async fn asked(rig: &Rig, within: Duration) -> Result<ServiceListResponse, Error> {
    let before: Instant = crate::clock::now();
    let result = rig.link.ask(&question(), ABOUT, within).await;
    let took = before.elapsed();
    assert!(took <= within + SLACK, "{took:?} for {within:?}: {result:?}");
    result
}

/// Checklist, 16.
#[tokio::test]
async fn every_request_has_one_deadline_over_all_attempts_under_every_fault() {
    let within = Duration::from_millis(400);
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    rig.ready().await;

    server.on("ServiceListRequest", |_| Reply::Silence);
    let silent = asked(&rig, within).await;
    assert!(matches!(silent, Err(Error::Deadline { .. })), "{silent:?}");

    server.on("ServiceListRequest", |_| Reply::Cut);
    let cut = asked(&rig, within).await;
    assert!(matches!(cut, Err(Error::Deadline { .. } | Error::Broken(_))), "{cut:?}");

    server.on("ServiceListRequest", |_| Reply::Reset);
    let reset = asked(&rig, within).await;
    assert!(matches!(reset, Err(Error::Deadline { .. } | Error::Broken(_))), "{reset:?}");

    server.on("ServiceListRequest", |_| Reply::Error { code: 301, message: "never known".into() });
    let unknown = asked(&rig, within).await;
    assert!(matches!(unknown, Err(Error::Refused { code: 301, .. } | Error::Deadline { .. })), "{unknown:?}");

    server.on("ServiceListRequest", |_| Reply::Done(serde_json::json!({})));
    server.change(|behaviour| behaviour.answers_after = Duration::from_millis(600));
    let slow = asked(&rig, within).await;
    assert!(matches!(slow, Err(Error::Deadline { .. } | Error::NotConnected(_))), "{slow:?}");

    server.change(|behaviour| behaviour.answers_after = Duration::ZERO);
    server.freeze();
    let stalled = asked(&rig, within).await;
    assert!(matches!(stalled, Err(Error::Deadline { .. } | Error::NotConnected(_))), "{stalled:?}");
    server.thaw();

    server.stop().await;
    let refused = asked(&rig, within).await;
    assert!(matches!(refused, Err(Error::NotConnected(Some(_)))), "{refused:?}");
    server.start_again().await;
    rig.ask().await.expect("an answer");
    rig.close().await;
}

#[tokio::test]
async fn a_slow_request_of_one_caller_does_not_take_the_connection_from_the_others() {
    let server = ScriptedServer::start().await;
    server.on("ServiceListRequest", |_| Reply::Silence);
    let rig = Rig::new(&[&server]);
    let session = rig.session(|_| true).await;
    for _ in 0..5 {
        asked(&rig, Duration::from_millis(20)).await.expect_err("no answer");
    }
    server.until_seen("HealthCheckRequest", |_| true).await;
    server.on("ServiceListRequest", |_| Reply::Done(serde_json::json!({})));
    rig.ask().await.expect("an answer");
    assert_eq!(rig.session(|_| true).await, session);
    assert_eq!(server.counts().accepted, 1);
    rig.close().await;
}

#[tokio::test]
async fn what_a_server_refuses_is_said_once_and_changes_nothing() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    let session = rig.session(|_| true).await;
    let mut asked = 0;
    for reply in [
        Reply::Failed { code: 400, message: "no".into() },
        Reply::Failed { code: 300, message: "no".into() },
        Reply::Error { code: 500, message: "no".into() },
        Reply::Error { code: 302, message: "no".into() },
        Reply::Status(8, "too long"),
        Reply::Status(12, "unknown method"),
        Reply::Raw("ServiceListResponse", b"{broken".to_vec()),
        Reply::Raw("ServiceListResponse", b"[]".to_vec()),
        Reply::Raw("SomethingElse", b"{}".to_vec()),
    ] {
        let shown = format!("{reply:?}");
        server.on("ServiceListRequest", move |_| reply.clone());
        let error = rig.ask().await.expect_err("a refusal");
        assert!(!error.is_transient(), "{shown}: {error}");
        asked += 1;
        assert_eq!(server.seen(Some("ServiceListRequest")).len(), asked, "{shown}: {error}");
    }
    assert_eq!(rig.session(|_| true).await, session);
    assert_eq!(server.seen(Some("HealthCheckRequest")), []);
    rig.close().await;
}

#[tokio::test]
async fn a_busy_server_is_asked_again_within_the_time_and_then_reported_as_busy() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    rig.ready().await;
    server.on("ServiceListRequest", |_| Reply::Failed { code: 503, message: "too much".into() });
    let busy = rig.ask().await;
    assert!(matches!(busy, Err(Error::Busy(_))), "{busy:?}");
    assert_eq!(server.seen(Some("ServiceListRequest")).len(), 4);
    // The time may end in a pause or in an attempt; that the server is busy is told in both cases.
    let busy = asked(&rig, Duration::from_millis(300)).await.expect_err("a refusal").to_string();
    assert!(busy.contains("the server is busy"), "{busy}");
    assert_eq!(server.counts().accepted, 1);
    rig.close().await;
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_request_is_asked_once_more() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    rig.ready().await;
    let times = Mutex::new(0);
    server.on("ServiceListRequest", move |_| {
        *times.lock() += 1;
        if *times.lock() == 1 {
            Reply::Failed { code: 403, message: "token expired".into() }
        } else {
            Reply::Done(serde_json::json!({}))
        }
    });
    rig.ask().await.expect("an answer");
    let seen = server.seen(Some("ServiceListRequest"));
    let tokens: Vec<_> = seen.iter().map(|seen| seen.headers[0].1.as_str()).collect();
    assert_eq!(tokens, ["token-0", "token-1"], "the second one is made anew");
    server.on("ServiceListRequest", |_| Reply::Failed { code: 403, message: "not yours".into() });
    let denied = rig.ask().await;
    assert!(matches!(&denied, Err(Error::Denied(words)) if words == "not yours"), "{denied:?}");
    assert_eq!((*rig.token.0.lock(), server.seen(Some("ServiceListRequest")).len()), (2, 4));
    rig.close().await;
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_not_asked_twice() {
    use nacrite_wire::client::config::ConfigPublishRequest;
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    rig.ready().await;
    let publish = |cas_md5| ConfigPublishRequest {
        data_id: "a",
        group: "g",
        tenant: "",
        content: "c",
        cas_md5,
        addition_map: BTreeMap::new(),
    };
    server.on("ConfigPublishRequest", |_| Reply::Cut);
    let once = rig.link.ask(&publish(Some("digest")), ABOUT, SOON).await;
    assert!(matches!(once, Err(Error::Broken(_))), "{once:?}");
    assert_eq!(server.seen(Some("ConfigPublishRequest")).len(), 1);
    rig.ready().await;
    let often = rig.link.ask(&publish(None), ABOUT, SOON).await;
    assert!(matches!(often, Err(Error::Broken(_) | Error::Deadline { .. })), "{often:?}");
    assert!(server.seen(Some("ConfigPublishRequest")).len() > 2);
    rig.close().await;
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_it_is_sent() {
    use nacrite_wire::client::config::ConfigPublishRequest;
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    rig.ready().await;
    let content = "x".repeat(11 << 20);
    let publish = ConfigPublishRequest {
        data_id: "a",
        group: "g",
        tenant: "",
        content: &content,
        cas_md5: None,
        addition_map: BTreeMap::new(),
    };
    let refused = rig.link.ask(&publish, ABOUT, SOON).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    // As much as may be goes through in both directions, though windows are smaller.
    let content = "x".repeat(9 << 20);
    let publish = ConfigPublishRequest { content: &content, ..publish };
    server.on("ConfigPublishRequest", |_| Reply::Done(serde_json::json!({"more": "y".repeat(9 << 20)})));
    rig.link.ask(&publish, ABOUT, PATIENCE).await.expect("an answer");
    rig.close().await;
}

#[tokio::test]
async fn whoever_asks_while_the_link_is_closed_hears_of_it_at_once() {
    let server = ScriptedServer::start().await;
    server.stop().await;
    let rig = Rig::new(&[&server]);
    rig.state(|state| state.failure.is_some()).await;
    let link = rig.link.clone();
    let asking = async {
        let asked = link.ask(&question(), ABOUT, PATIENCE).await;
        assert!(matches!(asked, Err(Error::Closed)), "{asked:?}");
    };
    tokio::join!(asking, rig.close());
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_a_request_ends_exactly_when_it_should() {
    let rig = Rig::new(&[]);
    for within in [0, 1, 250, 3000, 60_000].map(Duration::from_millis) {
        let before = crate::clock::now();
        let asked = rig.link.ask(&question(), ABOUT, within).await;
        assert!(matches!(asked, Err(Error::NotConnected(None))), "{asked:?}");
        // Timers have a grain of a millisecond.
        assert!(before.elapsed() <= within + Duration::from_millis(1), "{:?} for {within:?}", before.elapsed());
    }
    rig.close().await;
}
