//! Configs over HTTP against a whole server, and against one that answers as the test wants it to.

use std::sync::Arc;

use nacrite_testkit::Node;

use super::*;
use crate::http::Http;
use crate::http::recorded::recorded;
use crate::http::scripted::{Answer, Nobody, Script};
use crate::servers::Fixed;
use crate::tasks::Tasks;
use crate::tls::TlsSetup;

const S: Duration = Duration::from_secs(1);

const APP: ConfigAt<'_> = ConfigAt { data_id: "app.yaml", group: "G", tenant: "" };

fn at_script(script: &Script) -> HttpConfig {
    HttpConfig::new(script.proxy(Arc::new(Nobody)))
}

#[tokio::test]
async fn configs_come_change_and_go_on_a_server() {
    let (node, tasks) = (Node::start().await, Tasks::new().expect("inside a runtime"));
    let http = Http::new(TlsSetup::new(None).expect("nothing to load"), tasks.clone());
    let server = node.http.to_string().parse().expect("an address");
    let config = HttpConfig::new(Proxy::new(http, Arc::new(Fixed::new([server])), Arc::new(Nobody), "nacos"));
    assert_eq!(config.get(APP, 3 * S).await.expect("an answer"), None);
    config.publish(APP, "a: ü & +%", None, &[("type", "yaml")], 3 * S).await.expect("published");
    let first = config.get(APP, 3 * S).await.expect("an answer").expect("it is there");
    assert_eq!((first.content.as_str(), first.config_type.as_deref()), ("a: ü & +%", Some("yaml")));
    let md5 = first.md5.expect("servers send it");
    let raced = config.publish(APP, "b", Some("0123"), &[], 3 * S).await;
    assert!(matches!(raced, Err(Error::ConfigRaced)), "{raced:?}");
    config.publish(APP, "b", Some(&md5), &[], 3 * S).await.expect("nobody was faster");
    let known = Listened { at: APP, md5: &md5 };
    let changed = config.long_poll(&[known], 30 * S, false).await.expect("answered at once: it differs");
    assert_eq!(changed, [Changed { data_id: "app.yaml".into(), group: "G".into(), tenant: String::new() }]);
    let newest = config.get(APP, 3 * S).await.expect("an answer").and_then(|it| it.md5).expect("it is there");
    let known = Listened { at: APP, md5: &newest };
    assert!(config.long_poll(&[known], 30 * S, true).await.expect("answered at once").is_empty());
    let (polled, published) = tokio::join!(
        config.long_poll(std::slice::from_ref(&known), 30 * S, false),
        config.publish(APP, "c", None, &[], 3 * S)
    );
    published.expect("published");
    assert_eq!(polled.expect("told of the change").len(), 1);
    config.remove(APP, 3 * S).await.expect("removed");
    config.remove(APP, 3 * S).await.expect("removed already");
    assert_eq!(config.get(APP, 3 * S).await.expect("an answer"), None);
    assert!(tasks.stop_all(5 * S).await, "a task did not end");
    node.stop().await;
}

#[tokio::test]
async fn a_long_poll_says_what_is_known_and_how_long_it_may_wait() {
    let script = Script::start(|_, _| Answer::text("app.yaml%02G%01b%02G%02dev%01\n")).await;
    let config = at_script(&script);
    let known = [
        Listened { at: APP, md5: "0a" },
        Listened { at: ConfigAt { data_id: "b", group: "G", tenant: "dev" }, md5: "" },
    ];
    let changed = config.long_poll(&known, 30 * S, true).await.expect("two have changed");
    assert_eq!(changed.iter().map(|it| it.tenant.as_str()).collect::<Vec<_>>(), ["", "dev"]);
    let seen = script.seen().remove(0);
    assert_eq!(seen.body, "Listening-Configs=app.yaml%02G%020a%01b%02G%02%02dev%01");
    assert_eq!(seen.header("long-pulling-timeout"), Some("30000"));
    assert_eq!(seen.header("long-pulling-timeout-no-hangup"), Some("true"));
    script.stop().await;
}

#[tokio::test]
async fn a_404_of_the_way_is_not_taken_for_a_missing_config() {
    let script = Script::start(|seen, _| match seen.says("dataId=app.yaml") {
        true => Answer::says(404, "config data not exist\n"),
        false => Answer::says(404, r#"{"status":404,"error":"Not Found","path":"/nacos"}"#),
    })
    .await;
    let config = at_script(&script);
    assert_eq!(config.get(APP, S).await.expect("an answer"), None);
    let elsewhere = config.get(ConfigAt { data_id: "x", ..APP }, S).await;
    assert!(matches!(elsewhere, Err(Error::Refused { code: 404, .. })), "{elsewhere:?}");
    script.stop().await;
}

/// A second attempt would find what the first one stored and take it for somebody else's.
#[tokio::test]
async fn a_conditional_publication_is_sent_once() {
    let script = Script::start(|_, _| Answer::status(502)).await;
    let config = at_script(&script);
    assert!(config.publish(APP, "a", Some("0a"), &[], S).await.is_err());
    assert_eq!(script.seen().len(), 1);
    assert!(config.publish(APP, "a", None, &[], S).await.is_err());
    assert_eq!(script.seen().len(), 4, "an unconditional one is tried three times");
    script.stop().await;
}

#[test]
fn answers_that_make_no_sense_are_errors() {
    assert!(changed(b"").is_ok_and(|all| all.is_empty()));
    for bad in [&b"only-a-name%01"[..], b"\xff", b"%ff%02G%01"] {
        assert!(changed(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn recorded_answers_to_long_polls_are_read() {
    let mut entries = 0;
    for answer in recorded("POST", |path| path.ends_with("/v1/cs/configs/listener")) {
        if answer.status == 200 {
            let all = changed(answer.body.as_bytes()).unwrap_or_else(|e| panic!("{e}: {}", answer.body));
            assert_eq!(all.len(), answer.body.matches("%01").count(), "{}", answer.body);
            assert!(all.iter().all(|it| !it.data_id.is_empty() && !it.group.is_empty()), "{}", answer.body);
            entries += all.len();
        }
    }
    assert!(entries > 5, "{entries}");
    let missing = recorded("GET", |path| path == "/nacos/v1/cs/configs");
    let missing: Vec<_> = missing.iter().filter(|answer| answer.status == 404).collect();
    assert!(!missing.is_empty() && missing.iter().any(|answer| answer.body.contains(NOT_THERE)));
}
