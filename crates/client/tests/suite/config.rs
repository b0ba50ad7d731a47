//! Configs.

use std::sync::Arc;

use nacrite_client::Error;
use nacrite_client::config::{Config, ConfigName, ConfigType, Listening, digest_of};

use crate::target::Target;
use crate::{Outcome, PATIENCE};

fn content(config: Option<Config>) -> Option<String> {
    config.map(|config| config.content.to_string())
}

/// Waits until a listener has heard this.
pub(crate) async fn heard(listening: &mut Listening, expected: Option<&str>) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while content(listening.changed().await.expect("the client is open")).as_deref() != expected {}
    });
    waited.await.unwrap_or_else(|_| panic!("{expected:?} is not heard"));
}

pub(crate) async fn a_config_is_published_read_and_removed(target: Arc<Target>) -> Outcome {
    let client = target.client();
    let configs = client.config();
    let name = ConfigName::new(target.named("read") + ".yaml");
    assert_eq!(configs.get(&name).await.expect("an answer"), None);
    let published = configs.publish(&name, "a: 1").tags(["x"]).description("of the suite").send().await;
    assert_eq!(published.expect("published"), digest_of("a: 1"));
    let config = configs.get(&name).await.expect("an answer").expect("it is there");
    assert_eq!((&*config.content, config.config_type), ("a: 1", ConfigType::Yaml));
    configs.publish(&name, "a: 2").send().await.expect("published");
    assert_eq!(content(configs.get(&name).await.expect("an answer")).as_deref(), Some("a: 2"));
    configs.remove(&name).await.expect("removed");
    assert_eq!(configs.get(&name).await.expect("an answer"), None);
    configs.remove(&name).await.expect("one that is not there is removed already");
    assert!(client.close_within(PATIENCE).await);
    Outcome::Passed
}

pub(crate) async fn a_config_is_published_under_a_condition(target: Arc<Target>) -> Outcome {
    let client = target.client();
    let configs = client.config();
    let name = ConfigName::new(target.named("condition"));
    let first = configs.publish(&name, "one").send().await.expect("published");
    configs.publish(&name, "two").only_if(&first).send().await.expect("the condition holds");
    let raced = configs.publish(&name, "three").only_if(&first).send().await;
    let stored = content(configs.get(&name).await.expect("an answer"));
    configs.remove(&name).await.expect("removed");
    assert!(client.close_within(PATIENCE).await);
    match raced {
        Err(Error::ConfigRaced) => {
            assert_eq!(stored.as_deref(), Some("two"));
            Outcome::Passed
        }
        Ok(_) => Outcome::Unsupported("the condition is not looked at: a lost update is stored".to_owned()),
        Err(error) => Outcome::of(&error),
    }
}

pub(crate) async fn changes_and_removals_are_heard(target: Arc<Target>) -> Outcome {
    let (client, other) = (target.client(), target.client());
    let name = ConfigName::new(target.named("heard"));
    let mut listening = client.config().listen(&name).await.expect("listening");
    heard(&mut listening, None).await;
    other.config().publish(&name, "one").send().await.expect("published");
    heard(&mut listening, Some("one")).await;
    other.config().publish(&name, "two").send().await.expect("published");
    heard(&mut listening, Some("two")).await;
    other.config().remove(&name).await.expect("removed");
    heard(&mut listening, None).await;
    assert!(client.close_within(PATIENCE).await);
    assert!(matches!(listening.changed().await, Err(Error::Closed)), "it ends with its client");
    assert!(other.close_within(PATIENCE).await);
    Outcome::Passed
}

pub(crate) async fn groups_and_namespaces_are_apart(target: Arc<Target>) -> Outcome {
    let (public, other) = (target.client(), target.client_in("suite"));
    let name = ConfigName::new(target.named("apart"));
    let grouped = name.clone().in_group("OTHER");
    public.config().publish(&name, "one").send().await.expect("published");
    public.config().publish(&grouped, "two").send().await.expect("published");
    other.config().publish(&name, "three").send().await.expect("published");
    for (client, name, expected) in [(&public, &name, "one"), (&public, &grouped, "two"), (&other, &name, "three")] {
        assert_eq!(content(client.config().get(name).await.expect("an answer")).as_deref(), Some(expected));
        client.config().remove(name).await.expect("removed");
    }
    assert!(public.close_within(PATIENCE).await && other.close_within(PATIENCE).await);
    Outcome::Passed
}

pub(crate) async fn contents_may_be_in_any_script(target: Arc<Target>) -> Outcome {
    let (client, other) = (target.client(), target.client());
    let name = ConfigName::new(target.named("scripts"));
    let text = "größe = 大 🦀\r\n\tПривет \"quoted\" \\ \u{1} and the end\n";
    let mut listening = other.config().listen(&name).await.expect("listening");
    client.config().publish(&name, text).send().await.expect("published");
    let config = client.config().get(&name).await.expect("an answer").expect("it is there");
    assert_eq!((&*config.content, config.digest), (text, digest_of(text)));
    heard(&mut listening, Some(text)).await;
    client.config().remove(&name).await.expect("removed");
    assert!(client.close_within(PATIENCE).await && other.close_within(PATIENCE).await);
    Outcome::Passed
}

pub(crate) async fn contents_may_be_of_one_mebibyte(target: Arc<Target>) -> Outcome {
    let client = target.client();
    let name = ConfigName::new(target.named("large"));
    let text = "0123456789abcde\n".repeat(1 << 16);
    client.config().publish(&name, &*text).send().await.expect("published");
    let config = client.config().get(&name).await.expect("an answer").expect("it is there");
    assert!(*config.content == *text, "{} bytes are not those that were published", config.content.len());
    client.config().remove(&name).await.expect("removed");
    assert!(client.close_within(PATIENCE).await);
    Outcome::Passed
}

pub(crate) async fn a_config_is_bound_to_a_type(target: Arc<Target>) -> Outcome {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Pool {
        size: u16,
    }

    let (client, other) = (target.client(), target.client());
    let name = ConfigName::new(target.named("pool") + ".json");
    other.config().publish(&name, r#"{"size": 1}"#).send().await.expect("published");
    let pool = client.config().bind::<Pool>(&name, None).await.expect("it fits");
    assert_eq!(*pool.get(), Pool { size: 1 });
    let mut state = pool.state();
    other.config().publish(&name, r#"{"size": "many"}"#).send().await.expect("published");
    let troubled = state.wait_for(|state| state.trouble.is_some());
    drop(tokio::time::timeout(PATIENCE, troubled).await.expect("it is told").expect("the client is open"));
    assert_eq!(*pool.get(), Pool { size: 1 }, "the last good version is kept");
    let mut changes = pool.changes();
    other.config().publish(&name, r#"{"size": 3}"#).send().await.expect("published");
    let changed = changes.wait_for(|pool| pool.size == 3);
    drop(tokio::time::timeout(PATIENCE, changed).await.expect("it is told").expect("the client is open"));
    other.config().remove(&name).await.expect("removed");
    assert!(client.close_within(PATIENCE).await && other.close_within(PATIENCE).await);
    Outcome::Passed
}

pub(crate) async fn a_tag_has_a_version_of_its_own(target: Arc<Target>) -> Outcome {
    let client = target.client();
    let configs = client.config();
    let name = ConfigName::new(target.named("tagged"));
    configs.publish(&name, "for all").send().await.expect("published");
    configs.publish(&name, "for some").tag("canary").send().await.expect("published");
    let for_all = content(configs.get(&name).await.expect("an answer"));
    let for_some = content(configs.get_tagged(&name, "canary").await.expect("an answer"));
    configs.remove_gray(&name, "tag_canary").await.ok();
    configs.remove(&name).await.expect("removed");
    assert!(client.close_within(PATIENCE).await);
    match (for_all.as_deref(), for_some.as_deref()) {
        (Some("for all"), Some("for some")) => Outcome::Passed,
        (Some("for some"), _) => {
            Outcome::Unsupported("the tag is not looked at: the version for all is replaced".to_owned())
        }
        (Some("for all"), None | Some("for all")) => {
            Outcome::Unsupported("the version of a tag is not stored".to_owned())
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn configs_are_watched_by_pattern(target: Arc<Target>) -> Outcome {
    let (client, other) = (target.client(), target.client());
    let name = target.named("named");
    let mut watch = client.config().watch_names("DEFAULT_GROUP", &format!("{name}*")).expect("a pattern");
    let first = tokio::time::timeout(PATIENCE, watch.changed()).await.expect("an answer");
    match first {
        Err(error) => {
            let outcome = Outcome::of(&error);
            assert!(client.close_within(PATIENCE).await && other.close_within(PATIENCE).await);
            return outcome;
        }
        Ok(first) => assert!(first.names.is_empty(), "{first:?}"),
    }
    let config = ConfigName::new(format!("{name}-a"));
    other.config().publish(&config, "one").send().await.expect("published");
    let seen = tokio::time::timeout(PATIENCE, async {
        while !watch.changed().await.expect("the client is open").names.contains(&config) {}
    });
    seen.await.expect("the config is told");
    other.config().remove(&config).await.expect("removed");
    let gone = tokio::time::timeout(PATIENCE, async {
        while watch.changed().await.expect("the client is open").names.contains(&config) {}
    });
    gone.await.expect("its removal is told");
    assert!(client.close_within(PATIENCE).await && other.close_within(PATIENCE).await);
    Outcome::Passed
}
