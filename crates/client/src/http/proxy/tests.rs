//! What answers mean, and who is asked next.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::HeaderMap;

use super::*;
use crate::http::scripted::{Answer, Nobody, Script};
use crate::servers::Fixed;

const S: Duration = Duration::from_secs(1);

/// Asks these servers, the first of them first.
fn proxy_of(script: &Script, servers: &[&ServerAddress]) -> Proxy {
    let list = Arc::new(Fixed::new(servers.iter().map(|server| (*server).clone())));
    let proxy = Proxy::new(script.http(), list, Arc::new(Nobody), "nacos");
    proxy.next.store(0, Ordering::Relaxed);
    proxy
}

const NAMING: Resource<'_> = Resource { module: Module::Naming, namespace: "public", group: "G", name: "a" };

fn reply(status: u16, body: &'static str) -> Reply {
    Reply {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
        peer: Ipv4Addr::LOCALHOST.into(),
        local: None,
    }
}

#[test]
fn what_a_server_refuses_for_what_it_is_is_not_tried_elsewhere() {
    let is_final = |status| judge("/x", reply(status, "")).map_err(|error| is_final(&error));
    assert!(is_final(200).is_ok() && is_final(304).is_ok());
    for status in [302, 400, 403, 404, 409, 410, 501] {
        assert!(matches!(is_final(status), Err(true)), "{status}");
    }
    for status in [429, 500, 502, 503, 504] {
        assert!(matches!(is_final(status), Err(false)), "{status}");
    }
}

#[test]
fn servers_speak_in_texts_and_in_objects() {
    for (body, shown) in [
        ("caused: bad\n", "caused: bad"),
        (
            r#"{"code":20002,"message":"parameter validate error","data":"no port"}"#,
            "parameter validate error: no port",
        ),
        (r#"{"status":403,"message":"token expired!","path":"/x"}"#, "token expired!"),
        (r#"{"broken"#, r#"{"broken"#),
    ] {
        assert_eq!(message(&reply(400, body)), shown);
    }
    assert!(message(&reply(302, "")).contains("elsewhere"));
}

#[test]
fn long_words_are_cut_between_characters() {
    let long = "ä".repeat(MESSAGE_LEN_MAX);
    let said = message(&reply(500, long.leak()));
    assert!(said.ends_with('…') && said.len() <= MESSAGE_LEN_MAX + '…'.len_utf8());
}

#[test]
fn an_attempt_leaves_time_for_those_after_it() {
    assert_eq!(share(Duration::from_secs(3), 3), Duration::from_secs(1));
    assert_eq!(share(Duration::from_secs(2), 1), Duration::from_secs(2));
}

#[test]
fn context_paths_are_taken_with_and_without_slashes() {
    for (given, path) in [("nacos", "/nacos"), ("/nacos/", "/nacos"), ("", ""), ("/", ""), ("a/b", "/a/b")] {
        assert_eq!(&*prefix(given), path);
    }
}

#[test]
fn tokens_are_headers_and_signatures_of_naming_parameters() {
    let sent = in_http(vec![("accessToken".into(), "t".into())]);
    assert_eq!(sent[1], ("Authorization".into(), "Bearer t".into()));
    assert!(!is_param(Module::Naming, "accessToken") && !is_param(Module::Naming, "Spas-SecurityToken"));
    assert!(is_param(Module::Naming, "signature") && !is_param(Module::Config, "Spas-Signature"));
}

#[tokio::test]
async fn a_single_address_is_asked_three_times_and_the_last_failure_told() {
    let script = Script::start(|_, turn| Answer::says(500, ["one", "two", "three", "four"][turn])).await;
    let failed = script.proxy(Arc::new(Nobody)).call(&Call::get("/x"), NAMING, 5 * S).await;
    let said = failed.expect_err("it fails each time").to_string();
    assert!(said.contains("three") && said.contains(&script.server.to_string()), "{said}");
    assert_eq!(script.seen().len(), 3);
    script.stop().await;
}

#[tokio::test]
async fn each_server_is_asked_once_and_the_one_that_answered_comes_first_next_time() {
    let (broken, well) =
        (Script::start(|_, _| Answer::status(500)).await, Script::start(|_, _| Answer::text("ok")).await);
    let dead: ServerAddress = "127.0.0.1:1".parse().expect("an address");
    let proxy = proxy_of(&well, &[&broken.server, &dead, &well.server]);
    for _ in 0..3 {
        let reply = proxy.call(&Call::get("/x"), NAMING, 5 * S).await.expect("one of them is well");
        assert_eq!(&*reply.body, b"ok");
    }
    assert_eq!((broken.seen().len(), well.seen().len()), (1, 3));
    broken.stop().await;
    well.stop().await;
}

#[tokio::test]
async fn a_server_that_hangs_leaves_time_for_the_next_and_none_outlives_the_deadline() {
    let (hanging, well) = (Script::start(|_, _| Answer::never()).await, Script::start(|_, _| Answer::text("ok")).await);
    let proxy = proxy_of(&well, &[&hanging.server, &well.server]);
    proxy.call(&Call::get("/x"), NAMING, S).await.expect("half of the time is left");
    let alone = proxy_of(&hanging, &[&hanging.server]);
    let began = clock::now();
    let within = Duration::from_millis(300);
    let late = alone.call(&Call::get("/x"), NAMING, within).await;
    assert!(matches!(late, Err(Error::Deadline { .. })), "{late:?}");
    assert!(clock::now() - began < within + Duration::from_millis(50), "{:?}", clock::now() - began);
    hanging.stop().await;
    well.stop().await;
}

#[tokio::test]
async fn a_refusal_of_the_request_itself_is_told_at_once() {
    let script = Script::start(|_, _| Answer::says(400, "caused: invalid dataId;")).await;
    let refused = script.proxy(Arc::new(Nobody)).call(&Call::get("/x"), NAMING, 5 * S).await;
    assert!(matches!(refused, Err(Error::Refused { code: 400, .. })), "{refused:?}");
    assert_eq!(script.seen().len(), 1);
    script.stop().await;
}

#[tokio::test]
async fn redirects_are_reported_and_not_followed() {
    let script = Script::start(|_, _| Answer::status(302).header("location", "/elsewhere")).await;
    let refused = script.proxy(Arc::new(Nobody)).call(&Call::get("/x"), NAMING, 5 * S).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("elsewhere")));
    assert_eq!(script.seen().len(), 1);
    script.stop().await;
}

#[tokio::test]
async fn without_servers_there_is_no_connection() {
    let script = Script::start(|_, _| Answer::text("ok")).await;
    let nobody = proxy_of(&script, &[]).call(&Call::get("/x"), NAMING, S).await;
    assert!(matches!(nobody, Err(Error::NotConnected(None))), "{nobody:?}");
    script.stop().await;
}
