//! Steps 15 to 20: publishing, reading, listening, removing. The writer changes, the reader reads and listens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nacos_sdk::api::config::{ConfigChangeListener, ConfigResponse, ConfigService};
use nacos_sdk::api::error::{Error, Result as Answer};

use crate::clients::{Clients, DEFAULT_GROUP, PUBLIC};
use crate::steps::{End, Outcome, Steps, eventually, expect};
use crate::told::Told;

const TOLD_WITHIN: Duration = Duration::from_secs(1);
const FIRST_WITHIN: Duration = Duration::from_secs(6);
const UNICODE: &str = "# 配置 – ключ – مفتاح\nemoji: \"🚀🧭 👩‍👩‍👧\"\nquote: 'a+b=c&d%20e'\n\ttab: \\n\n";
const LINE: &str = "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n";
const MEBIBYTE: usize = 1 << 20;

/// Keeps what a listener was told.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    pub(crate) told: Told<String>,
}

impl ConfigChangeListener for Listener {
    fn notify(&self, config: ConfigResponse) {
        self.told.add(config.content().clone());
    }
}

pub(crate) struct ConfigStory {
    clients: Clients,
    pub(crate) live: String,
    pub(crate) writer: ConfigService,
    reader: ConfigService,
    stranger: ConfigService,
    pub(crate) listener: Arc<Listener>,
}

impl ConfigStory {
    pub(crate) async fn connect(clients: &Clients) -> Result<Self, End> {
        Ok(Self {
            live: clients.id("live"),
            writer: clients.config(PUBLIC).await?,
            reader: clients.config(PUBLIC).await?,
            stranger: clients.config(&clients.namespace()).await?,
            listener: Arc::default(),
            clients: clients.clone(),
        })
    }

    pub(crate) async fn tell(&self, steps: &Steps) {
        steps.step("config-round-trip", self.round_trip(&self.clients.id("app"), UNICODE)).await;
        steps.step("config-one-mebibyte", self.one_mebibyte()).await;
        steps.step("config-compare-and-set", self.compare_and_set()).await;
        steps.step("config-listener-told", self.listener_told()).await;
        steps.step("config-elsewhere-is-apart", self.elsewhere_is_apart()).await;
        steps.step("config-remove", self.remove()).await;
    }

    async fn round_trip(&self, data_id: &str, content: &str) -> Outcome {
        publish(&self.writer, data_id, DEFAULT_GROUP, content).await?;
        self.expect_content("content", Some(content), &self.reader, data_id, DEFAULT_GROUP).await
    }

    async fn one_mebibyte(&self) -> Outcome {
        let content: String = LINE.chars().cycle().take(MEBIBYTE).collect();
        self.round_trip(&self.clients.id("big"), &content).await
    }

    async fn compare_and_set(&self) -> Outcome {
        let data_id = self.clients.id("cas");
        self.round_trip(&data_id, "one").await?;
        let one = self.reader.get_config(data_id.clone(), DEFAULT_GROUP.to_owned()).await?.md5().clone();
        let done = self.publish_cas(&data_id, "two", &one).await?;
        expect(done, || "expected true from a publish with the right md5, saw false".to_owned())?;
        let two = Some("two");
        self.expect_content("content after the right md5", two, &self.reader, &data_id, DEFAULT_GROUP).await?;
        let won = self.publish_cas(&data_id, "three", &one).await.unwrap_or(false);
        expect(!won, || "expected a publish with the wrong md5 to fail, saw it succeed".to_owned())?;
        self.expect_content("content after the wrong md5", two, &self.reader, &data_id, DEFAULT_GROUP).await
    }

    /// The client neither tells a new listener what it found nor when the server knows of the listener, so the writer
    /// publishes until one callback came.
    async fn listener_told(&self) -> Outcome {
        publish(&self.writer, &self.live, DEFAULT_GROUP, "one").await?;
        self.reader.add_listener(self.live.clone(), DEFAULT_GROUP.to_owned(), self.listener.clone()).await?;
        let mut tries = 0;
        eventually(FIRST_WITHIN, "the listener is told something", true, async || {
            tries += 1;
            publish(&self.writer, &self.live, DEFAULT_GROUP, &format!("one, try {tries}")).await?;
            Ok::<_, End>(self.listener.told.count() > 0)
        })
        .await?;
        self.publish_and_expect("two").await
    }

    /// The writer publishes; the reader's listener must be told within a second.
    pub(crate) async fn publish_and_expect(&self, content: &str) -> Outcome {
        let after = self.listener.told.count();
        publish(&self.writer, &self.live, DEFAULT_GROUP, content).await?;
        self.listener.told.expect(&content.to_owned(), after, Instant::now(), TOLD_WITHIN).await
    }

    async fn elsewhere_is_apart(&self) -> Outcome {
        let (app, group) = (self.clients.id("app"), self.clients.group());
        self.expect_content("content in the empty group", None, &self.reader, &app, &group).await?;
        self.expect_content("content in the empty namespace", None, &self.stranger, &app, DEFAULT_GROUP).await?;
        publish(&self.writer, &app, &group, "of the group").await?;
        publish(&self.stranger, &app, DEFAULT_GROUP, "of the namespace").await?;
        self.expect_content("content in the group", Some("of the group"), &self.reader, &app, &group).await?;
        let there = Some("of the namespace");
        self.expect_content("content in the namespace", there, &self.stranger, &app, DEFAULT_GROUP).await?;
        self.expect_content("content in the default group", Some(UNICODE), &self.reader, &app, DEFAULT_GROUP).await
    }

    /// The client does not tell its listeners of a removal, so only the answer is looked at. It answers from memory
    /// what it listens to; the writer listens to nothing.
    async fn remove(&self) -> Outcome {
        let done = self.writer.remove_config(self.live.clone(), DEFAULT_GROUP.to_owned()).await?;
        expect(done, || "expected true from remove_config, saw false".to_owned())?;
        self.expect_content("content after removal", None, &self.writer, &self.live, DEFAULT_GROUP).await
    }

    async fn publish_cas(&self, data_id: &str, content: &str, md5: &str) -> Answer<bool> {
        let (data_id, group) = (data_id.to_owned(), DEFAULT_GROUP.to_owned());
        self.writer.publish_config_cas(data_id, group, content.to_owned(), None, md5.to_owned()).await
    }

    async fn expect_content(
        &self,
        what: &str,
        expected: Option<&str>,
        client: &ConfigService,
        data_id: &str,
        group: &str,
    ) -> Outcome {
        let expected = expected.map(String::from);
        eventually(self.clients.stale, what, expected, || get(client, data_id, group)).await?;
        Ok(String::new())
    }
}

pub(crate) async fn get(client: &ConfigService, data_id: &str, group: &str) -> Answer<Option<String>> {
    match client.get_config(data_id.to_owned(), group.to_owned()).await {
        Ok(config) => Ok(Some(config.content().clone())),
        Err(Error::ConfigNotFound(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub(crate) async fn publish(client: &ConfigService, data_id: &str, group: &str, content: &str) -> Result<(), End> {
    let done = client.publish_config(data_id.to_owned(), group.to_owned(), content.to_owned(), None).await?;
    expect(done, || format!("expected true from publish_config of {data_id}, saw false"))
}
