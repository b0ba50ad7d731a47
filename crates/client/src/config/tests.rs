//! Configs as users see them, over a server that lives in memory and does what a test wants.

mod convergence;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use nacrite_wire::client::config::push;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::filter::tests::Backwards;
use super::listens::Question;
use super::names::Errand;
use super::remote::Publication;
use super::*;
use crate::session::{Abilities, Generation, Session};

/// Longer than anything takes; the clock is paused.
const LONG: Duration = Duration::from_secs(600);

/// A server in memory.
struct Fake {
    mode: Mode,
    /// What is stored: content and key.
    stored: Mutex<HashMap<ConfigName, Config>>,
    /// What the connection that stands listens to.
    listened: Mutex<HashMap<ConfigName, Box<str>>>,
    sessions: watch::Sender<Option<Session>>,
    /// What every request is answered with, if anything.
    fails: Mutex<Option<fn() -> Error>>,
    asked: AtomicUsize,
    changed: Notify,
    /// Rings with each withdrawal.
    withdrawn: Notify,
    holds: Duration,
    /// Answers are on their way this long, and may be out of date when they come.
    lag: Mutex<Duration>,
    ears: Arc<Ears>,
}

impl Fake {
    fn new(mode: Mode) -> Arc<Self> {
        Arc::new(Self {
            mode,
            stored: Mutex::default(),
            listened: Mutex::default(),
            sessions: watch::Sender::new(session(1)),
            fails: Mutex::default(),
            asked: AtomicUsize::new(0),
            changed: Notify::new(),
            withdrawn: Notify::new(),
            holds: Duration::from_secs(30),
            lag: Mutex::default(),
            ears: Arc::new(Ears::new("", mode)),
        })
    }

    /// Stores a config, or removes it, and tells the client unless the connection is gone.
    fn set(&self, name: &str, content: Option<&str>) {
        let name = ConfigName::from(name);
        match content {
            Some(content) => {
                let config = Config::from_content(content, ConfigType::Text, Origin::Server);
                self.stored.lock().insert(name.clone(), config);
            }
            None => drop(self.stored.lock().remove(&name)),
        }
        self.tell(&name);
    }

    fn tell(&self, name: &ConfigName) {
        self.changed.notify_waiters();
        if self.listened.lock().contains_key(name) && self.sessions.borrow().is_some() {
            let notice = format!(r#"{{"dataId":"{}","group":"{}"}}"#, name.data_id(), name.group());
            self.ears.push(Generation::new(1), push::NOTIFY, notice.as_bytes());
        }
    }

    fn fails_with(&self, error: Option<fn() -> Error>) {
        *self.fails.lock() = error;
    }

    fn reconnect(&self, number: u64) {
        self.listened.lock().clear();
        self.sessions.send_replace(session(number));
    }

    fn disconnect(&self) {
        self.listened.lock().clear();
        self.sessions.send_replace(None);
    }

    /// Waits until nothing is listened to.
    async fn is_left_alone(&self) {
        while !self.listened.lock().is_empty() {
            tokio::time::timeout(LONG, self.withdrawn.notified()).await.expect("it is told");
        }
    }

    async fn travel(&self) {
        let lag = *self.lag.lock();
        tokio::time::sleep(lag).await;
    }

    fn check(&self) -> Result<(), Error> {
        self.fails.lock().map_or(Ok(()), |error| Err(error()))
    }

    fn known(&self, name: &ConfigName) -> Known {
        self.stored.lock().get(name).cloned().into()
    }

    fn differing(&self, question: &Question) -> Vec<ConfigName> {
        let differs = |(name, digest): &&(ConfigName, Box<str>)| self.known(name).digest() != &**digest;
        question.of.iter().filter(differs).map(|(name, _)| name.clone()).collect()
    }
}

fn session(number: u64) -> Option<Session> {
    let server = "h".parse().expect("an address");
    Some(Session { generation: Generation::new(number), server, abilities: Abilities::default() })
}

impl Remote for Fake {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn sessions(&self) -> Option<watch::Receiver<Option<Session>>> {
        (self.mode == Mode::Push).then(|| self.sessions.subscribe())
    }

    fn query<'a>(
        &'a self,
        _: Option<Generation>,
        name: &'a ConfigName,
        _: Option<&'a str>,
        _: Duration,
    ) -> BoxFuture<'a, Result<Known, Error>> {
        async move {
            let answer = self.check().map(|()| self.known(name));
            self.travel().await;
            answer
        }
        .boxed()
    }

    fn ask<'a>(
        &'a self,
        _: Option<Generation>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Vec<ConfigName>, Error>> {
        async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.check()?;
            self.listened.lock().extend(question.of.iter().cloned());
            if self.mode == Mode::Poll && !question.is_urgent && self.differing(question).is_empty() {
                // Held until something changes.
                tokio::time::timeout(self.holds, self.changed.notified()).await.ok();
            }
            let answer = self.differing(question);
            self.travel().await;
            Ok(answer)
        }
        .boxed()
    }

    fn withdraw<'a>(&'a self, _: Option<Generation>, question: &'a Question) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.check()?;
            self.listened.lock().retain(|name, _| !question.of.iter().any(|(gone, _)| gone == name));
            self.withdrawn.notify_one();
            Ok(())
        }
        .boxed()
    }

    fn watch_names<'a>(&'a self, _: Generation, _: &'a Errand) -> BoxFuture<'a, Result<(), Error>> {
        async { Err(Error::Unsupported("names".to_owned())) }.boxed()
    }

    fn publish<'a>(&'a self, publication: &'a Publication, _: Duration) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.check()?;
            let stored = self.known(&publication.name);
            if publication.only_if.as_deref().is_some_and(|only_if| only_if != stored.digest()) {
                return Err(Error::Refused { code: 500, message: "words of its own".to_owned() });
            }
            let declared = ConfigType::from_declared(publication.additions.get("type").map(String::as_str));
            let mut config = Config::from_content(&publication.content, declared, Origin::Server);
            config.encrypted_data_key = publication.additions.get("encryptedDataKey").map(|key| key.as_str().into());
            self.stored.lock().insert(publication.name.clone(), config);
            self.tell(&publication.name);
            Ok(())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, name: &'a ConfigName, _: Option<&'a str>, _: Duration) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.check()?;
            self.set(name.data_id(), None);
            Ok(())
        }
        .boxed()
    }
}

fn configs_with(server: &Arc<Fake>, settings: ConfigSettings) -> Configs {
    let servers = vec!["h".parse().expect("an address")];
    let tasks = Tasks::new().expect("inside a runtime");
    let setup = ConfigSetup { namespace: String::new(), servers, settings, tasks };
    Configs::start(setup, Arc::clone(&server.ears), Arc::default(), Arc::clone(server) as Arc<dyn Remote>)
}

fn started() -> (Arc<Fake>, Configs) {
    let server = Fake::new(Mode::Push);
    let configs = configs_with(&server, ConfigSettings::default());
    (server, configs)
}

fn with_directory(directory: &Path) -> ConfigSettings {
    ConfigSettings { directory: Some(directory.to_owned()), ..ConfigSettings::default() }
}

/// What is heard next, within a long time.
async fn heard(listening: &mut Listening) -> Option<String> {
    let changed = tokio::time::timeout(LONG, listening.changed()).await.expect("something is heard");
    changed.expect("the client is open").map(|config| config.content.to_string())
}

async fn hears_nothing(listening: &mut Listening) {
    let heard = tokio::time::timeout(LONG, listening.changed()).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_config_that_is_not_there_is_no_error() {
    let (_, configs) = started();
    assert_eq!(configs.get("x").await.expect("the server answers"), None);
    configs.remove("x").await.expect("removed already");
    assert!(matches!(configs.get("a b").await, Err(Error::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn what_is_published_is_read_with_its_type_and_digest() {
    let (_, configs) = started();
    let digest = configs.publish("x.yaml", "a: 1").send().await.expect("published");
    let config = configs.get("x.yaml").await.expect("the server answers").expect("it is there");
    assert_eq!((&*config.content, config.config_type, config.origin), ("a: 1", ConfigType::Yaml, Origin::Server));
    assert_eq!(config.digest, digest);
    configs.publish("x.yaml", "{}").config_type(ConfigType::Json).send().await.expect("published");
    assert!(configs.get("x.yaml").await.is_ok_and(|config| config.is_some_and(|c| c.config_type == ConfigType::Json)));
}

#[tokio::test(start_paused = true)]
async fn a_publish_under_a_condition_that_does_not_hold_is_told_apart() {
    let (server, configs) = started();
    let first = configs.publish("x", "one").send().await.expect("published");
    let second = configs.publish("x", "two").only_if(&first).send().await.expect("the condition holds");
    let raced = configs.publish("x", "three").only_if(&first).send().await;
    assert!(matches!(raced, Err(Error::ConfigRaced)), "{raced:?}");
    server.fails_with(Some(|| Error::Refused { code: 500, message: "the disk is full".to_owned() }));
    let failed = configs.publish("x", "three").only_if(&second).send().await;
    assert!(matches!(failed, Err(Error::Refused { .. })), "{failed:?}");
    server.fails_with(Some(|| Error::Refused {
        code: 500,
        message: "Cas publish fail, server md5 may have changed.".to_owned(),
    }));
    let raced = configs.publish("x", "three").only_if(&second).send().await;
    assert!(matches!(raced, Err(Error::ConfigRaced)), "{raced:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_server_would_refuse_is_not_sent() {
    let (server, configs) = started();
    server.fails_with(Some(|| panic!("nothing is sent")));
    for refused in [
        configs.publish("x", " ").send().await,
        configs.publish("x", "1").tags(["a", "b", "c", "d", "e", "f"]).send().await,
        configs.publish("x", "1").tag("a b").send().await,
        configs.publish("x", "1").description("d".repeat(129)).send().await,
        configs.publish(("x", "g/g"), "1").send().await,
    ] {
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
}

/// Item 13 of the checklist in the reference of client behaviour.
#[tokio::test(start_paused = true)]
async fn checklist_13_a_listener_advances_only_after_success_and_hears_of_deletion() {
    let (server, configs) = started();
    let (calls, told) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(Vec::new()));
    let (counted, tell) = (Arc::clone(&calls), told.clone());
    let listener = configs.on_change("x", move |config: Option<Config>| {
        let attempt = counted.fetch_add(1, Ordering::Relaxed);
        let tell = tell.clone();
        async move {
            match attempt {
                0 => Err("not now"),
                1 => panic!("not now either"),
                _ => {
                    tell.send_modify(|told| told.push(config.map(|config| config.content.to_string())));
                    Ok(())
                }
            }
        }
    });
    let _listener = listener.await.expect("listening");
    server.set("x", Some("one"));
    let mut heard = told.subscribe();
    heard.wait_for(|told| *told == [Some("one".into())]).await.expect("told again until taken");
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    // A push that comes while the client asks: both contents are set before it could have fetched the first.
    server.set("x", Some("two"));
    server.set("x", Some("three"));
    heard.wait_for(|told| told.last() == Some(&Some("three".into()))).await.expect("the newest is told");
    server.set("x", None);
    heard.wait_for(|told| told.last() == Some(&None)).await.expect("the deletion is told");
}

/// Item 14 of the checklist in the reference of client behaviour.
#[tokio::test(start_paused = true)]
async fn checklist_14_failover_before_server_before_snapshot_and_never_against_a_refusal() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Fake::new(Mode::Push);
    let configs = configs_with(&server, with_directory(dir.path()));
    let get = async || {
        let config = configs.get("x").await?;
        Ok::<_, Error>(config.map(|config| (config.content.to_string(), config.origin)))
    };
    let failover = dir.path().join("fixed-h_8848_nacos/data/config-data/DEFAULT_GROUP");
    std::fs::create_dir_all(&failover).expect("a directory");

    server.set("x", Some("one"));
    assert_eq!(get().await.expect("read"), Some(("one".into(), Origin::Server)));
    std::fs::write(failover.join("x"), "by hand").expect("written");
    assert_eq!(get().await.expect("read"), Some(("by hand".into(), Origin::Failover)));
    std::fs::remove_file(failover.join("x")).expect("removed");

    server.fails_with(Some(|| Error::NotConnected(None)));
    assert_eq!(get().await.expect("read"), Some(("one".into(), Origin::Snapshot)));
    server.fails_with(Some(|| Error::Denied("no".to_owned())));
    assert!(matches!(get().await, Err(Error::Denied(_))), "a refusal is not got round");
    server.fails_with(Some(|| Error::ConfigBeingWritten));
    assert!(matches!(get().await, Err(Error::ConfigBeingWritten)));

    server.fails_with(None);
    server.set("x", None);
    assert_eq!(get().await.expect("read"), None);
    server.fails_with(Some(|| Error::NotConnected(None)));
    assert!(matches!(get().await, Err(Error::NotConnected(_))), "the snapshot is gone with the config");
}

#[tokio::test(start_paused = true)]
async fn changes_are_heard_once_each_and_listening_ends_with_its_value() {
    let (server, configs) = started();
    let mut listening = configs.listen("x").await.expect("listening");
    let mut other = configs.listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await, None);
    server.set("x", Some("one"));
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    hears_nothing(&mut listening).await;
    drop(listening);
    assert_eq!(heard(&mut other).await.as_deref(), Some("one"), "the other one goes on");
    drop(other);
    server.is_left_alone().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_not_heard_again() {
    let (server, configs) = started();
    server.set("x", Some("one"));
    let (config, mut listening) = configs.get_and_listen("x").await.expect("read");
    assert_eq!(config.as_ref().map(|config| &*config.content), Some("one"));
    hears_nothing(&mut listening).await;
    server.set("x", Some("two"));
    assert_eq!(heard(&mut listening).await.as_deref(), Some("two"));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_missed_is_heard_at_once_after_reconnecting() {
    let (server, configs) = started();
    let mut listening = configs.listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await, None);
    server.disconnect();
    server.set("x", Some("one"));
    hears_nothing(&mut listening).await;
    let since = tokio::time::sleep(Duration::ZERO).deadline();
    server.reconnect(2);
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    assert!(tokio::time::sleep(Duration::ZERO).deadline() - since < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_push_that_was_lost_is_made_up_for() {
    let (server, configs) = started();
    let mut listening = configs.listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await, None);
    let config = Config::from_content("one", ConfigType::Text, Origin::Server);
    server.stored.lock().insert("x".into(), config);
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn waiting_may_be_cancelled_at_any_moment() {
    let (server, configs) = started();
    server.set("x", Some("one"));
    let mut listening = configs.listen("x").await.expect("listening");
    for _ in 0..5 {
        assert!(listening.changed().now_or_never().is_none());
    }
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_client_and_leaves_no_task() {
    let (server, configs) = started();
    server.set("x", Some("one"));
    let tasks = configs.inner.tasks.clone();
    let watched = configs.watch("x").await.expect("read");
    let listener = configs.on_change("x", |_| async { Ok::<_, Error>(()) }).await.expect("listening");
    let mut stream = Box::pin(configs.listen("x").await.expect("listening").into_stream());
    let first = stream.next().await.expect("open").expect("no filter fails");
    assert_eq!(first.map(|config| config.content.to_string()).as_deref(), Some("one"));
    assert!(tasks.stop_all(LONG).await);
    assert!(stream.next().await.is_none());
    assert_eq!(tasks.count(), 0);
    assert!(matches!(configs.listen("x").await, Err(Error::Closed)));
    drop((watched, listener));
}

#[tokio::test(start_paused = true)]
async fn a_watch_follows_until_nobody_looks() {
    let (server, configs) = started();
    let before = configs.inner.tasks.count();
    let mut watched = configs.watch("x").await.expect("read");
    assert_eq!(*watched.borrow(), None);
    server.set("x", Some("one"));
    watched.wait_for(Option::is_some).await.expect("it follows");
    drop(watched);
    // The task has let go of what it listened to, so it has ended.
    server.is_left_alone().await;
    assert_eq!(configs.inner.tasks.count(), before);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_heard_when_no_server_answers_and_what_the_server_has_when_one_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Fake::new(Mode::Push);
    let configs = configs_with(&server, with_directory(dir.path()));
    server.set("x", Some("one"));
    configs.get("x").await.expect("read");
    server.disconnect();
    let mut listening = configs.listen("x").await.expect("listening");
    let config = tokio::time::timeout(LONG, listening.changed()).await.expect("heard").expect("open").expect("there");
    assert_eq!((&*config.content, config.origin), ("one", Origin::Snapshot));
    server.set("x", Some("two"));
    server.reconnect(2);
    assert_eq!(heard(&mut listening).await.as_deref(), Some("two"));
    // What was fetched is kept, for a client that starts later; a pass over what is listened to ends with that.
    let mut state = configs.state();
    tokio::time::timeout(LONG, state.wait_for(|state| state.is_in_sync)).await.expect("in time").expect("it lives");
    let later = Disk::new(dir.path(), &["h".parse().expect("an address")], "");
    let kept = later.snapshot(&"x".into()).await.expect("readable");
    assert_eq!(kept.as_ref().map(|config| &*config.content), Some("two"));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_not_heard_of_a_config_that_must_not_be_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Fake::new(Mode::Push);
    let configs = configs_with(&server, with_directory(dir.path()));
    server.set("x", Some("one"));
    configs.get("x").await.expect("read");
    server.fails_with(Some(|| Error::Denied("no".to_owned())));
    let mut listening = configs.listen("x").await.expect("listening");
    hears_nothing(&mut listening).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_overrides_is_heard_of_and_so_is_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Fake::new(Mode::Push);
    let configs = configs_with(&server, with_directory(dir.path()));
    server.set("x", Some("one"));
    let mut listening = configs.listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    let failover = dir.path().join("fixed-h_8848_nacos/data/config-data/DEFAULT_GROUP");
    std::fs::create_dir_all(&failover).expect("a directory");
    std::fs::write(failover.join("x"), "by hand").expect("written");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("by hand"));
    let mut late = configs.listen("x").await.expect("listening");
    assert_eq!(heard(&mut late).await.as_deref(), Some("by hand"));
    std::fs::remove_file(failover.join("x")).expect("removed");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn encrypted_configs_are_in_the_clear_for_the_program_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Fake::new(Mode::Push);
    let settings = ConfigSettings { ciphers: vec![Arc::new(Backwards)], ..with_directory(dir.path()) };
    let configs = configs_with(&server, settings);
    let name = "cipher-backwards-x";
    let mut listening = configs.listen(name).await.expect("listening");
    assert_eq!(heard(&mut listening).await, None);
    configs.publish(name, "abc").send().await.expect("published");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("abc"));
    assert_eq!(server.known(&name.into()).digest(), digest_of("cba").as_str());
    let config = configs.get(name).await.expect("read").expect("there");
    assert_eq!(&*config.content, "abc");
    let disk = Disk::new(dir.path(), &["h".parse().expect("an address")], "");
    let kept = disk.snapshot(&name.into()).await.expect("readable").expect("kept");
    assert_eq!((&*kept.content, kept.encrypted_data_key.as_deref()), ("cba", Some("key")));
    // The digest is that of what is stored, so that it can be named in a condition.
    configs.publish(name, "def").only_if(&config.digest).send().await.expect("the condition holds");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decrypted_is_told_and_tried_again() {
    let server = Fake::new(Mode::Push);
    let settings = ConfigSettings { ciphers: vec![Arc::new(Backwards)], ..ConfigSettings::default() };
    let configs = configs_with(&server, settings);
    let name = ConfigName::from("cipher-backwards-x");
    let mut config = Config::from_content("cba", ConfigType::Text, Origin::Server);
    config.encrypted_data_key = Some("another".into());
    server.stored.lock().insert(name.clone(), config.clone());
    let mut listening = configs.listen(&name).await.expect("listening");
    for _ in 0..2 {
        assert!(matches!(listening.changed().await, Err(Error::Undecodable(_))));
    }
    config.encrypted_data_key = Some("key".into());
    config.content = "fed".into();
    config.digest = digest_of("fed");
    server.stored.lock().insert(name.clone(), config);
    server.tell(&name);
    loop {
        match listening.changed().await {
            Ok(config) => break assert_eq!(config.map(|config| config.content.to_string()).as_deref(), Some("def")),
            Err(error) => assert!(matches!(error, Error::Undecodable(_))),
        }
    }
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Pool {
    size: u16,
}

#[tokio::test(start_paused = true)]
async fn a_broken_version_keeps_the_last_good_one_and_is_visible() {
    let (server, configs) = started();
    assert!(matches!(configs.bind::<Pool>("x.json", None).await, Err(Error::Undecodable(_))), "there is none");
    server.set("x.json", Some(r#"{"size":1}"#));
    let bound = configs.bind::<Pool>("x.json", None).await.expect("it fits");
    let (mut changes, mut state) = (bound.changes(), bound.state());
    assert_eq!((bound.get().size, state.borrow_and_update().trouble.is_none()), (1, true));

    server.set("x.json", Some(r#"{"size":"secret"}"#));
    state.changed().await.expect("it is bound");
    let trouble = state.borrow_and_update().trouble.clone().expect("it does not fit");
    assert!(matches!(&trouble, Trouble::Unfit { why, .. } if why.key.as_deref() == Some("size")));
    assert!(!trouble.to_string().contains("secret"));
    assert_eq!(bound.get().size, 1);

    server.set("x.json", Some(r#"{"size":2}"#));
    assert_eq!(changes.wait_for(|pool| pool.size == 2).await.expect("it is bound").size, 2);
    state.wait_for(|state| state.trouble.is_none()).await.expect("it is bound");
    assert_eq!(bound.get().size, 2);

    server.set("x.json", None);
    state.wait_for(|state| state.trouble == Some(Trouble::Removed)).await.expect("it is bound");
    assert_eq!(bound.get().size, 2);
}

#[tokio::test(start_paused = true)]
async fn a_default_holds_until_there_is_something_better() {
    let (server, configs) = started();
    server.fails_with(Some(|| Error::NotConnected(None)));
    let bound = configs.bind_or("x.json", None, Pool { size: 7 }).await.expect("a default does not need a server");
    assert_eq!((bound.get().size, bound.state().borrow().digest.clone()), (7, None));
    server.fails_with(None);
    server.set("x.json", Some(r#"{"size":8}"#));
    bound.changes().wait_for(|pool| pool.size == 8).await.expect("it is bound");
    let broken =
        configs.bind_or("x.json", Some(Format::Properties), Pool { size: 9 }).await.expect("a default is there");
    assert_eq!(broken.get().size, 9);
    assert!(broken.state().borrow().trouble.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_server_without_pushes_is_polled() {
    let server = Fake::new(Mode::Poll);
    let configs = configs_with(&server, ConfigSettings::default());
    let mut listening = configs.listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await, None);
    // Something else is listened to while the first question is held.
    let mut other = configs.listen("y").await.expect("listening");
    assert_eq!(heard(&mut other).await, None);
    server.set("x", Some("one"));
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    let asked = server.asked.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(300)).await;
    let asked = server.asked.load(Ordering::Relaxed) - asked;
    assert!((9..=12).contains(&asked), "one question every 30 s: {asked}");
    server.set("y", Some("two"));
    assert_eq!(heard(&mut other).await.as_deref(), Some("two"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_hold_polls_is_not_asked_in_a_loop() {
    let mut server = Arc::into_inner(Fake::new(Mode::Poll)).expect("not shared yet");
    server.holds = Duration::ZERO;
    let server = Arc::new(server);
    let configs = configs_with(&server, ConfigSettings::default());
    let mut listening = configs.listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await, None);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = server.asked.load(Ordering::Relaxed);
    assert!(asked < 40, "{asked}");
}

#[tokio::test(start_paused = true)]
async fn how_listening_goes_can_be_seen() {
    let (server, configs) = started();
    let mut state = configs.state();
    let _listening = configs.listen("x").await.expect("listening");
    state.wait_for(|state| state.is_in_sync).await.expect("open");
    server.fails_with(Some(|| Error::Denied("no".to_owned())));
    server.reconnect(2);
    let seen = state.wait_for(|state| state.trouble.is_some()).await.expect("open").clone();
    assert_eq!((seen.is_in_sync, seen.trouble.as_deref()), (false, Some("not allowed: no")));
    server.fails_with(None);
    let seen = state.wait_for(|state| state.is_in_sync).await.expect("open").clone();
    assert_eq!(seen.trouble, None);
    server.disconnect();
    state.wait_for(|state| !state.is_in_sync).await.expect("open");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_asked_less_and_less() {
    let (server, configs) = started();
    server.fails_with(Some(|| Error::Busy("later".to_owned())));
    let mut listening = configs.listen("x").await.expect("listening");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = server.asked.load(Ordering::Relaxed);
    assert!((10..=25).contains(&asked), "{asked}");
    server.fails_with(None);
    assert_eq!(heard(&mut listening).await, None);
}
