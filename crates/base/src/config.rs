//! What is said about a config beside its content.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::name::Tag;

/// The format of a content, as its publisher declared it. Anything unknown counts as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConfigType {
    /// Java properties.
    Properties,
    /// XML.
    Xml,
    /// JSON.
    Json,
    /// Plain text.
    #[default]
    Text,
    /// HTML.
    Html,
    /// YAML.
    Yaml,
    /// TOML.
    Toml,
    /// Declared to be nothing in particular.
    Unset,
}

impl ConfigType {
    /// Takes the declared type; names are case-sensitive (recorded: `config-types`).
    #[must_use]
    pub fn from_declared(name: Option<&str>) -> Self {
        name.and_then(|name| name.parse().ok()).unwrap_or_default()
    }

    /// The name that clients know.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Properties => "properties",
            Self::Xml => "xml",
            Self::Json => "json",
            Self::Text => "text",
            Self::Html => "html",
            Self::Yaml => "yaml",
            Self::Toml => "toml",
            Self::Unset => "unset",
        }
    }
}

impl FromStr for ConfigType {
    type Err = UnknownConfigType;

    fn from_str(name: &str) -> Result<Self, UnknownConfigType> {
        const ALL: [ConfigType; 8] = [
            ConfigType::Properties,
            ConfigType::Xml,
            ConfigType::Json,
            ConfigType::Text,
            ConfigType::Html,
            ConfigType::Yaml,
            ConfigType::Toml,
            ConfigType::Unset,
        ];
        ALL.into_iter().find(|known| known.as_str() == name).ok_or(UnknownConfigType)
    }
}

impl fmt::Display for ConfigType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no config type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a config type")]
pub struct UnknownConfigType;

/// What a publisher says about a content. `None` means that it said nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The declared format.
    pub config_type: ConfigType,
    /// The application that owns the config; kept from the last publish if not said.
    pub app_name: Option<Arc<str>>,
    /// For what it is.
    pub description: Option<Arc<str>>,
    /// How it is used.
    pub usage: Option<Arc<str>>,
    /// What it affects.
    pub effect: Option<Arc<str>>,
    /// The schema of its content.
    pub schema: Option<Arc<str>>,
    /// Search tags; kept from the last publish if not said.
    pub tags: Option<Vec<Arc<str>>>,
    /// The key that encrypts the content, itself encrypted; empty for plain content.
    pub encrypted_key: Option<Arc<str>>,
}

/// Who published, and from where; for the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publisher {
    /// The operator's name, if given.
    pub user: Option<Arc<str>>,
    /// The address the request came from.
    pub ip: Arc<str>,
}

/// Which version of a config a publish makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// The one for everybody.
    Formal,
    /// One for the clients at these addresses, comma-separated.
    Beta {
        /// The list as it was sent.
        ips: Arc<str>,
    },
    /// One for the clients that carry this tag.
    Tag(Tag),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_types_count_as_text() {
        for (declared, taken) in [
            (Some("yaml"), ConfigType::Yaml),
            (Some("unset"), ConfigType::Unset),
            (Some("JSON"), ConfigType::Text),
            (Some("nosuch"), ConfigType::Text),
            (Some(""), ConfigType::Text),
            (None, ConfigType::Text),
        ] {
            assert_eq!(ConfigType::from_declared(declared), taken, "{declared:?}");
        }
    }
}
