//! Publishing: everything that can be said about a config, checked by the server's own rules before it is sent.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use nacrite_base::{ConfigType, ContentDigest};
use nacrite_wire::codes::rpc;
use nacrite_wire::from_wire::config as rules;

use super::Configs;
use super::name::ConfigName;
use super::remote::Publication;
use super::value::{Known, digest_of, type_by_ending};
use crate::clock;
use crate::error::Error;

/// What servers of every generation say when the condition of a publish does not hold.
const RACED: &str = "md5 may have changed";

/// A config that is about to be published. [`Self::send`] does it.
///
/// ```no_run
/// # async fn example(configs: &nacrite_client::config::Configs) -> Result<(), nacrite_client::Error> {
/// use nacrite_client::Error;
///
/// let first = configs.publish("limits.properties", "rate=10").tags(["limits"]).send().await?;
/// match configs.publish("limits.properties", "rate=20").only_if(&first).send().await {
///     Err(Error::ConfigRaced) => println!("somebody was faster: read it again"),
///     published => println!("{}", published?),
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is published before `send`"]
pub struct Publish<'a> {
    configs: &'a Configs,
    name: ConfigName,
    content: String,
    only_if: Option<ContentDigest>,
    additions: BTreeMap<&'static str, String>,
}

impl<'a> Publish<'a> {
    pub(crate) fn new(configs: &'a Configs, name: ConfigName, content: String) -> Self {
        let declared = type_by_ending(name.data_id()).as_str().to_owned();
        Self { configs, name, content, only_if: None, additions: BTreeMap::from([("type", declared)]) }
    }

    fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.additions.insert(key, value.into());
        self
    }

    /// Declares the format. Without it, it is the one that the end of the data id speaks of.
    pub fn config_type(self, config_type: ConfigType) -> Self {
        self.with("type", config_type.as_str())
    }

    /// Names the application that owns the config.
    pub fn app_name(self, app_name: impl Into<String>) -> Self {
        self.with("appName", app_name)
    }

    /// Sets the tags to search by: at most 5 of 64 characters.
    pub fn tags<T: AsRef<str>>(self, tags: impl IntoIterator<Item = T>) -> Self {
        let tags: Vec<T> = tags.into_iter().collect();
        self.with("config_tags", tags.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(","))
    }

    /// Says what the config is for, in at most 128 characters.
    pub fn description(self, description: impl Into<String>) -> Self {
        self.with("desc", description)
    }

    /// Says how it is used, in at most 32 characters.
    pub fn usage(self, usage: impl Into<String>) -> Self {
        self.with("use", usage)
    }

    /// Says what it affects, in at most 32 characters.
    pub fn effect(self, effect: impl Into<String>) -> Self {
        self.with("effect", effect)
    }

    /// Says by what schema it can be checked, in at most 32,768 characters.
    pub fn schema(self, schema: impl Into<String>) -> Self {
        self.with("schema", schema)
    }

    /// Names who publishes, for the history.
    pub fn user(self, user: impl Into<String>) -> Self {
        self.with("src_user", user)
    }

    /// Publishes for the clients at these addresses alone. Counts before [`Self::tag`].
    pub fn beta_ips(self, ips: impl IntoIterator<Item = IpAddr>) -> Self {
        let ips: Vec<String> = ips.into_iter().map(|ip| ip.to_string()).collect();
        self.with("betaIps", ips.join(","))
    }

    /// Publishes for the clients that carry this tag alone: at most 16 characters.
    pub fn tag(self, tag: impl Into<String>) -> Self {
        self.with("tag", tag)
    }

    /// Publishes only if the config still is the version of this digest, else fails with [`Error::ConfigRaced`]. A config
    /// that is not there any more is published all the same: servers compare only what they have.
    pub fn only_if(mut self, digest: &ContentDigest) -> Self {
        self.only_if = Some(digest.clone());
        self
    }

    /// Publishes, and returns the digest of what is stored now, which the next publish may name in [`Self::only_if`].
    ///
    /// # Errors
    /// [`Error::ConfigRaced`] if the config is not the version that it had to be; [`Error::Invalid`] for what the server
    /// would refuse, or a filter that did not let it out; whatever else kept the server from doing it.
    pub async fn send(self) -> Result<ContentDigest, Error> {
        let invalid = |fault: nacrite_base::Fault| Error::Invalid(format!("config {}: {fault}", self.name));
        let name = self.name.clone().checked()?;
        let filled = |key: &str| self.additions.get(key).map(String::as_str).filter(|value| !value.trim().is_empty());
        rules::attributes(filled).map_err(invalid)?;
        rules::release(filled("betaIps"), filled("tag")).map_err(invalid)?;
        let is_formal = filled("betaIps").or(filled("tag")).is_none();

        let out = self.configs.inner.filters.outgoing(&name, self.content).await?;
        let too_large = || Error::Invalid(format!("config {name}: the content is blank, or larger than 10 MiB"));
        rules::content(Some(&out.content)).map_err(|_| too_large())?;
        let mut additions = self.additions;
        if let Some(key) = out.encrypted_data_key {
            additions.insert("encryptedDataKey", key);
        }
        let digest = digest_of(&out.content);
        let publication = Publication {
            content: out.content,
            only_if: self.only_if.map(|digest| digest.as_str().to_owned()),
            additions,
            name,
        };
        // Looking why it was refused takes what is left of the time.
        let end = clock::now() + self.configs.inner.within;
        let published = self.configs.inner.remote.publish(&publication, self.configs.inner.within).await;
        match published {
            Ok(()) => Ok(digest),
            Err(error) => {
                let left = end.saturating_duration_since(clock::now());
                Err(self.configs.why_not(&publication, is_formal, error, left).await)
            }
        }
    }
}

impl Configs {
    /// Tells a condition that does not hold from other refusals. All have one number, and servers that are not Nacos have
    /// words of their own; so the config is looked at.
    async fn why_not(&self, publication: &Publication, is_formal: bool, error: Error, left: Duration) -> Error {
        let Error::Refused { code, message } = &error else {
            return error;
        };
        let Some(only_if) = &publication.only_if else {
            return error;
        };
        if message.contains(RACED) {
            return Error::ConfigRaced;
        }
        if *code == i64::from(rpc::SERVER_ERROR) && is_formal {
            let now = self.inner.remote.query(None, &publication.name, None, left).await;
            // A config that cannot be looked at leaves the server's own words.
            if now.is_ok_and(|known| known.digest() != only_if && known != Known::Nothing) {
                return Error::ConfigRaced;
            }
        }
        error
    }
}

impl fmt::Debug for Publish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("name", &self.name)
            .field("content_len", &self.content.len())
            .field("only_if", &self.only_if)
            .finish_non_exhaustive()
    }
}
