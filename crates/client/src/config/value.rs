//! A config as a client holds it, and where it came from. The content is never shown by `Debug`: it may hold secrets.

use std::fmt;
use std::sync::Arc;

use md5::{Digest, Md5};
use nacrite_base::{ConfigType, ContentDigest, Timestamp};

/// Where a config was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A server, just now.
    Server,
    /// A file that an operator put there, to be used instead of what servers say.
    Failover,
    /// What a server had said before, kept on disk, because no server answered.
    Snapshot,
}

/// A config.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The content; decrypted, if there was a key for it.
    pub content: Arc<str>,
    /// Digest of the content as it is stored, that is, before decryption. What a publish under a condition names.
    pub digest: ContentDigest,
    /// The format that its publisher declared.
    pub config_type: ConfigType,
    /// The key of an encrypted content, itself encrypted.
    pub encrypted_data_key: Option<Arc<str>>,
    /// When it was changed, by the server's clock. Not known for files.
    pub last_modified: Option<Timestamp>,
    /// Where it came from.
    pub origin: Origin,
}

impl Config {
    /// A content that came without a digest.
    pub(crate) fn from_content(content: &str, config_type: ConfigType, origin: Origin) -> Self {
        Self {
            content: content.into(),
            digest: digest_of(content),
            config_type,
            encrypted_data_key: None,
            last_modified: None,
            origin,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("content_len", &self.content.len())
            .field("digest", &self.digest)
            .field("config_type", &self.config_type)
            .field("is_encrypted", &self.encrypted_data_key.is_some())
            .field("last_modified", &self.last_modified)
            .field("origin", &self.origin)
            .finish()
    }
}

/// What is known of a config at some place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nobody has said anything yet.
    Nothing,
    /// There is none.
    Absent,
    /// There is this.
    Present(Config),
}

impl Known {
    /// The digest that stands for it in a comparison; empty for a config that is not there.
    pub(crate) fn digest(&self) -> &str {
        match self {
            Self::Nothing | Self::Absent => "",
            Self::Present(config) => config.digest.as_str(),
        }
    }
}

impl From<Option<Config>> for Known {
    fn from(config: Option<Config>) -> Self {
        config.map_or(Self::Absent, Self::Present)
    }
}

/// The digest of a content, as servers make it: MD5 of its UTF-8 text.
#[must_use]
pub fn digest_of(content: &str) -> ContentDigest {
    ContentDigest::from_md5(Md5::digest(content.as_bytes()).into())
}

/// The format that the end of a data id speaks of, for contents of which nobody declared any.
pub(crate) fn type_by_ending(data_id: &str) -> ConfigType {
    match data_id.rsplit_once('.').map(|(_, ending)| ending) {
        Some("json") => ConfigType::Json,
        Some("yaml" | "yml") => ConfigType::Yaml,
        Some("toml") => ConfigType::Toml,
        Some("properties") => ConfigType::Properties,
        Some("xml") => ConfigType::Xml,
        Some("html" | "htm") => ConfigType::Html,
        _ => ConfigType::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_an_empty_content_is_not_that_of_none() {
        assert_eq!(digest_of("").as_str(), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(Known::Absent.digest(), "");
    }

    #[test]
    fn a_content_is_not_shown_by_accident() {
        let config = Config::from_content("password=hunter2", ConfigType::Text, Origin::Server);
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
