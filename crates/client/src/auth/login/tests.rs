//! Logins against a server that answers as the test wants it to.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use nacrite_wire::client::Module;

use super::super::{Authenticator, Credentials};
use super::*;
use crate::http::recorded::recorded;
use crate::http::scripted::{Answer, Script};
use crate::link::{HeaderSource, Resource};
use crate::servers::Fixed;

const S: Duration = Duration::from_secs(1);

fn user() -> User {
    User { name: "orders".into(), password: Secret("open sesame".into()) }
}

fn token(name: &str, ttl_s: u64) -> Answer {
    Answer::text(format!(r#"{{"accessToken":"{name}","tokenTtl":{ttl_s},"globalAdmin":true,"username":"orders"}}"#))
}

fn login_at(script: &Script) -> Login {
    Login::new(user(), script.http(), script.source(), "nacos")
}

fn naming() -> Resource<'static> {
    Resource { module: Module::Naming, namespace: "public", group: "G", name: "a" }
}

async fn shown(login: &Login) -> Option<String> {
    login.token().await.expect("a token").map(|token| token.expose().to_owned())
}

/// Makes the token older than it is.
fn age(login: &Login, by: Duration) {
    let mut held = login.held.lock();
    let held = held.as_mut().expect("somebody logged in");
    held.since = held.since.checked_sub(by).expect("the machine runs longer");
}

#[test]
fn a_fleet_renews_its_tokens_between_a_fifteenth_and_a_tenth_before_the_end() {
    let now = clock::now();
    let ttl = 18_000 * S;
    for (jitter, renewed_s) in [(0.0, 18_000 - 1200), (1.0, 18_000 - 1800)] {
        let held = Held::new(None, ttl, now, jitter);
        assert_eq!(held.renew_after.as_secs(), renewed_s, "{jitter}");
        assert_eq!(held.standing(now + held.renew_after - S), Standing::Good);
        assert_eq!(held.standing(now + held.renew_after), Standing::Due);
        assert_eq!(held.standing(now + ttl - S), Standing::Due);
        assert_eq!(held.standing(now + ttl), Standing::Expired);
    }
}

#[test]
fn tokens_are_found_wherever_servers_put_them() {
    let read = |json: &str| token_in(json.as_bytes()).map(|(token, ttl)| (token.expose().to_owned(), ttl.as_secs()));
    assert_eq!(read(r#"{"accessToken":"t","tokenTtl":60}"#), Some(("t".into(), 60)));
    assert_eq!(read(r#"{"accessToken":"t","tokenTtl":"60","x":[]}"#), Some(("t".into(), 60)));
    assert_eq!(read(r#"{"accessToken":"t","tokenTtl":null}"#), Some(("t".into(), 1800)));
    assert_eq!(read(r#"{"accessToken":"t","tokenTtl":9223372036854775807}"#), Some(("t".into(), 30 * 24 * 3600)));
    assert_eq!(read(r#"{"code":200,"data":"Bearer t"}"#), Some(("t".into(), 1800)));
    for none in ["", "ok", "{}", r#"{"accessToken":""}"#, r#"{"accessToken":null,"data":"t"}"#] {
        assert_eq!(read(none), None, "{none}");
    }
}

#[test]
fn recorded_logins_are_read() {
    for answer in recorded("POST", |path| path.ends_with("/login")) {
        let token = token_in(answer.body.as_bytes());
        assert_eq!(token.is_some(), answer.status == 200, "{} {}", answer.status, answer.body);
        assert!(token.is_none_or(|(_, ttl)| ttl.as_secs() >= 18_000), "{}", answer.body);
    }
}

#[tokio::test]
async fn the_password_goes_into_the_body_and_an_old_server_is_asked_its_own_way() {
    let script = Script::start(|seen, _| match seen.path() {
        "/nacos/v3/auth/user/login" => Answer::status(404),
        _ => token("t1", 18_000),
    })
    .await;
    let login = login_at(&script);
    assert_eq!(shown(&login).await.as_deref(), Some("t1"));
    let seen = script.seen();
    assert_eq!(seen.iter().map(|seen| seen.path()).collect::<Vec<_>>(), PATHS.map(|path| format!("/nacos{path}")));
    for seen in &seen {
        assert_eq!(seen.method, "POST");
        assert_eq!((seen.body.as_str(), seen.says("username=orders")), ("password=open%20sesame", true));
        assert!(!seen.target.contains("sesame"), "{}", seen.target);
        assert!(!format!("{:?}", seen.headers).contains("sesame"));
    }
    script.stop().await;
}

#[tokio::test]
async fn a_hundred_requests_at_once_log_in_once() {
    let script = Script::start(|_, turn| token(&format!("t{turn}"), 18_000)).await;
    let login = login_at(&script);
    let tokens = join_all((0..100).map(|_| shown(&login))).await;
    assert!(tokens.iter().all(|token| token.as_deref() == Some("t0")));
    assert_eq!(script.seen().len(), 1);
    script.stop().await;
}

#[tokio::test]
async fn a_token_is_renewed_in_its_last_tenth_and_kept_if_that_fails() {
    let script = Script::start(|_, turn| match turn {
        0 => token("t0", 100),
        1 => Answer::status(500),
        _ => token("t2", 100),
    })
    .await;
    let login = login_at(&script);
    assert_eq!(shown(&login).await.as_deref(), Some("t0"));
    age(&login, 95 * S);
    assert_eq!(shown(&login).await.as_deref(), Some("t0"), "the renewal failed, the token is still good");
    assert_eq!(shown(&login).await.as_deref(), Some("t0"), "too soon for another attempt");
    assert_eq!(script.seen().len(), 2);
    login.flight.lock().await.failure = None;
    assert_eq!(shown(&login).await.as_deref(), Some("t2"));
    script.stop().await;
}

#[tokio::test]
async fn a_refusal_logs_in_again_once_for_all_who_were_refused() {
    let script = Script::start(|_, turn| token(&format!("t{turn}"), 18_000)).await;
    let login = login_at(&script);
    assert_eq!(shown(&login).await.as_deref(), Some("t0"));
    let again = join_all((0..50).map(|_| login.refused())).await;
    assert!(again.iter().all(|is_new| *is_new));
    assert_eq!(script.seen().len(), 2, "one login for all of them");
    assert_eq!(shown(&login).await.as_deref(), Some("t1"));
    assert!(login.refused().await, "the refused request may have had the old token");
    age(&login, 10 * S);
    assert!(!login.refused().await, "it is the right that lacks");
    assert_eq!(script.seen().len(), 2);
    login.flight.lock().await.for_refusal = None;
    assert!(login.refused().await, "much later it may be the token again");
    assert_eq!(script.seen().len(), 3);
    script.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_in_words_and_not_tried_in_a_row() {
    let script = Script::start(|_, _| Answer::says(403, "unknown user!")).await;
    let login = login_at(&script);
    for _ in 0..10 {
        let refused = login.token().await.expect_err("the password is wrong");
        assert!(
            matches!(&refused, Error::LoginRefused { user, is_locked: false, message }
                if message.contains("unknown user!") && user == "orders"),
            "{refused}"
        );
        assert!(!refused.is_transient());
    }
    assert_eq!(script.seen().len(), 1);
    script.stop().await;
}

#[tokio::test]
async fn a_user_who_is_locked_out_is_told_apart_from_a_wrong_password() {
    for (status, words) in [(423, ""), (429, "too many logins"), (403, "The user is locked for 5 minutes")] {
        let script = Script::start(move |_, _| Answer::says(status, words)).await;
        let refused = login_at(&script).token().await.expect_err("it is locked");
        assert!(matches!(&refused, Error::LoginRefused { is_locked: true, .. }), "{status}: {refused:?}");
        assert!(refused.is_transient(), "a lock is opened again");
        script.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_says_nothing_about_the_password() {
    let script = Script::start(|_, turn| if turn == 0 { Answer::status(503) } else { token("t", 18_000) }).await;
    let login = login_at(&script);
    let starting = login.token().await.expect_err("it is starting");
    assert!(starting.is_transient(), "{starting}");
    login.flight.lock().await.failure = None;
    assert_eq!(shown(&login).await.as_deref(), Some("t"));
    script.stop().await;
}

#[tokio::test]
async fn servers_that_know_of_no_logins_are_asked_without() {
    let script = Script::start(|_, _| Answer::status(404)).await;
    let login = login_at(&script);
    assert_eq!(shown(&login).await, None);
    assert_eq!(shown(&login).await, None);
    assert_eq!(script.seen().len(), 2, "both paths, once");
    script.stop().await;
}

#[tokio::test]
async fn the_next_server_is_asked_and_a_failure_names_the_layer() {
    let script = Script::start(|_, _| token("t", 18_000)).await;
    let dead: ServerAddress = "127.0.0.1:1".parse().expect("an address");
    let both = Arc::new(Fixed::new([dead.clone(), script.server.clone()]));
    let login = Login::new(user(), script.http(), both, "nacos");
    assert_eq!(shown(&login).await.as_deref(), Some("t"));
    let login = Login::new(user(), script.http(), Arc::new(Fixed::new([dead])), "nacos");
    let unreached = login.token().await.expect_err("nobody is there");
    assert!(matches!(&unreached, Error::NotConnected(Some(failure)) if failure.layer == Layer::Login), "{unreached}");
    script.stop().await;
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Item 15 of the checklist of clients.
#[tokio::test]
async fn a_403_is_replayed_once_after_a_new_login_signed_anew_and_no_secret_is_in_a_url_a_log_or_an_error() {
    let logged = Logged::default();
    let writer = logged.clone();
    let collector = move || {
        let writer = writer.clone();
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish()
    };
    let collecting = tracing::Dispatch::new(collector());
    // With one collector alone, places that log for the first time ask that of their own thread, which in other tests is
    // none, and then stay silent for all.
    let _second = tracing::Dispatch::new(collector());
    let _guard = tracing::dispatcher::set_default(&collecting);
    let refusals = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&refusals);
    let script = Script::start(move |seen, turn| {
        if seen.path().ends_with("/login") {
            return token(&format!("hush-token-{turn}"), 18_000);
        }
        if seen.path().ends_with("/echo") {
            return Answer::says(403, "you sent hush-token-0 and open sesame");
        }
        // The first token has become worthless: the server came back with another key.
        if seen.header("accessToken") == Some("hush-token-0") {
            counted.fetch_add(1, Ordering::SeqCst);
            return Answer::says(403, "token invalid!");
        }
        Answer::text("ok")
    })
    .await;
    let who = Credentials::none().user("orders", "open sesame").access_key("id", "hush-key").security_token("hush-sts");
    let shown = format!("{who:?}");
    let auth = Arc::new(Authenticator::new(who, &script.http(), &script.source(), "nacos"));
    auth.headers(naming()).await.expect("the first login");
    let proxy = script.proxy(Arc::clone(&auth) as Arc<dyn HeaderSource>);
    let call = Call::get(proxy.path("/x")).query("a", "1");
    proxy.call(&call, naming(), 5 * S).await.expect("replayed with the new token");
    assert_eq!(refusals.load(Ordering::SeqCst), 1);
    let seen = script.seen();
    let asked: Vec<_> = seen.iter().filter(|seen| seen.path() == "/nacos/x").collect();
    let signature = |at: usize| asked[at].target.split("&data=").nth(1).map(str::to_owned).expect("it is signed");
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0].header("accessToken"), asked[1].header("accessToken"));
    assert_eq!(asked[1].header("authorization").map(|it| it.starts_with("Bearer hush-token-")), Some(true));
    assert!(signature(0).contains("signature=") && signature(1).contains("signature="), "each attempt is signed");
    let denied = proxy.call(&Call::get(proxy.path("/echo")), naming(), 5 * S).await.expect_err("not allowed");
    assert!(matches!(denied, Error::Denied(_)), "{denied}");
    let text = String::from_utf8(logged.0.lock().clone()).expect("UTF-8");
    assert!(text.contains("logged in"), "the log was collected");
    for place in seen.iter().map(|seen| seen.target.as_str()).chain([text.as_str(), shown.as_str()]) {
        assert!(!place.contains("hush-") && !place.contains("sesame"), "{place}");
    }
    drop(proxy);
    script.stop().await;
}
