//! Names with rules: what may be a namespace, a group, a service, a cluster, a data id, a tag or a host.
//!
//! A name is parsed once, at an edge, and cannot be wrong afterwards. Lengths count characters, as Nacos counts them.
//! The rules are those of its parameter check (`reference/grpc.md`, 5.6; recorded: `naming-invalid-names`,
//! `naming-invalid-ip`, `config-invalid-keys`). A blank value is its own error, because callers answer it differently.

use std::fmt;
use std::sync::{Arc, LazyLock};

/// Which name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A namespace id, called `tenant` in the config requests.
    Namespace,
    /// The name people read for a namespace.
    NamespaceTitle,
    /// A group of services or of configs.
    Group,
    /// A service, without its group.
    Service,
    /// A cluster inside a service.
    Cluster,
    /// A config inside a group.
    DataId,
    /// The address of an instance.
    Host,
    /// All keys and values of an instance's metadata together.
    Metadata,
}

impl NameKind {
    /// The name of the parameter in messages to clients.
    #[must_use]
    pub const fn param(self) -> &'static str {
        match self {
            Self::Namespace => "namespaceId/tenant",
            Self::NamespaceTitle => "namespaceShowName",
            Self::Group => "group",
            Self::Service => "serviceName",
            Self::Cluster => "cluster",
            Self::DataId => "dataId",
            Self::Host => "ip",
            Self::Metadata => "Metadata",
        }
    }
}

/// Why a name was refused. The texts are the ones that Nacos sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Absent, empty or only white space.
    #[error("Param '{}' is illegal, {} is blank", blank_param(*kind), blank_param(*kind))]
    Blank {
        /// What was blank.
        kind: NameKind,
    },
    /// More characters than the kind allows.
    #[error("Param '{}' is illegal, the param length should not exceed {len_max}.", kind.param())]
    TooLong {
        /// What was too long.
        kind: NameKind,
        /// Characters that are allowed.
        len_max: usize,
    },
    /// A character, or a sequence of characters, that the kind does not allow.
    #[error("Param '{}' is illegal, illegal characters should not appear in the param.", kind.param())]
    IllegalCharacters {
        /// What had them.
        kind: NameKind,
    },
}

/// A blank group is reported under another name than an illegal one.
const fn blank_param(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Group => "groupName",
        other => other.param(),
    }
}

fn check(kind: NameKind, raw: &str, len_max: usize, legal: fn(&str) -> bool) -> Result<(), NameError> {
    if raw.trim().is_empty() {
        return Err(NameError::Blank { kind });
    }
    // A byte count at the limit cannot hide more characters than it has bytes.
    if raw.len() > len_max && raw.chars().count() > len_max {
        return Err(NameError::TooLong { kind, len_max });
    }
    if legal(raw) { Ok(()) } else { Err(NameError::IllegalCharacters { kind }) }
}

fn is_word(raw: &str, also: &[u8]) -> bool {
    raw.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
}

/// White space or a Chinese ideograph, which names that appear in URLs must not hold.
fn is_unprintable_in_url(c: char) -> bool {
    c.is_whitespace() || ('\u{4E00}'..='\u{9FA5}').contains(&c)
}

fn legal_namespace(raw: &str) -> bool {
    is_word(raw, b"-_")
}

fn legal_key_part(raw: &str) -> bool {
    is_word(raw, b"-_:.")
}

fn legal_service(raw: &str) -> bool {
    !raw.starts_with('@') && !raw.contains("@@") && !raw.contains(is_unprintable_in_url)
}

fn legal_host(raw: &str) -> bool {
    !raw.contains(is_unprintable_in_url)
}

macro_rules! name {
    ($(#[$doc:meta])* $Name:ident, $kind:ident, $len_max:literal, $legal:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $Name(Arc<str>);

        impl $Name {
            /// Characters allowed.
            pub const LEN_MAX: usize = $len_max;

            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`NameError`] says which rule it breaks.
            pub fn parse(raw: &str) -> Result<Self, NameError> {
                check(NameKind::$kind, raw, Self::LEN_MAX, $legal)?;
                Ok(Self(raw.into()))
            }

            /// Takes a name that was parsed before it was stored.
            #[must_use]
            pub fn from_stored(raw: &str) -> Self {
                Self(raw.into())
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name!(
    /// A namespace id: letters, digits, `-` and `_`. The default one is `public`.
    NamespaceId, Namespace, 64, legal_namespace
);
name!(
    /// A group of services or configs: letters, digits and `-_:.`. The default one is `DEFAULT_GROUP`.
    GroupName, Group, 128, legal_key_part
);
name!(
    /// A service without its group: no leading `@`, no `@@`, no white space, no Chinese ideographs.
    ServiceName, Service, 512, legal_service
);
name!(
    /// A cluster inside a service: letters, digits, `-` and `_`. The default one is `DEFAULT`.
    ClusterName, Cluster, 64, legal_namespace
);
name!(
    /// A config inside a group: letters, digits and `-_:.`.
    DataId, DataId, 256, legal_key_part
);

impl NamespaceId {
    /// The default namespace.
    #[must_use]
    pub fn public() -> Self {
        static PUBLIC: LazyLock<NamespaceId> = LazyLock::new(|| NamespaceId("public".into()));
        PUBLIC.clone()
    }

    /// The namespace that has no name: another place than `public`. Only services that clients register over gRPC with
    /// an empty namespace are there (recorded: `naming-namespaces`).
    #[must_use]
    pub fn unnamed() -> Self {
        Self("".into())
    }

    /// Checks a namespace as callers send it, where nothing and blank mean `public`.
    ///
    /// # Errors
    /// [`NameError`] says which rule it breaks.
    pub fn parse_or_public(raw: Option<&str>) -> Result<Self, NameError> {
        match raw {
            None | Some("public") => Ok(Self::public()),
            Some(raw) if raw.trim().is_empty() => Ok(Self::public()),
            Some(raw) => Self::parse(raw),
        }
    }

    /// Whether this is the default namespace.
    #[must_use]
    pub fn is_public(&self) -> bool {
        &*self.0 == "public"
    }
}

impl GroupName {
    /// The default group.
    #[must_use]
    pub fn default_group() -> Self {
        static DEFAULT: LazyLock<GroupName> = LazyLock::new(|| GroupName("DEFAULT_GROUP".into()));
        DEFAULT.clone()
    }
}

impl ClusterName {
    /// The default cluster.
    #[must_use]
    pub fn default_cluster() -> Self {
        static DEFAULT: LazyLock<ClusterName> = LazyLock::new(|| ClusterName("DEFAULT".into()));
        DEFAULT.clone()
    }

    /// Whether the name also keeps the stricter rule for registering one instance: no underscore
    /// (`reference/grpc.md`, 5.1).
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.0.contains('_')
    }
}

/// The address of an instance: an IP address or a host name. May be blank, because clients are allowed to register
/// without one (recorded: `naming-invalid-ip`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Arc<str>);

impl Host {
    /// Characters allowed.
    pub const LEN_MAX: usize = 128;

    /// Checks and takes an address; white space and Chinese ideographs are refused, blank is not.
    ///
    /// # Errors
    /// [`NameError`] says which rule it breaks.
    pub fn parse(raw: &str) -> Result<Self, NameError> {
        match check(NameKind::Host, raw, Self::LEN_MAX, legal_host) {
            Ok(()) | Err(NameError::Blank { .. }) => Ok(Self(raw.into())),
            Err(error) => Err(error),
        }
    }

    /// Takes an address that was parsed before it was stored.
    #[must_use]
    pub fn from_stored(raw: &str) -> Self {
        Self(raw.into())
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tag of a gray release: letters and digits of any script and `-_.:`, at most 16 (recorded: `config-tag-invalid`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(Arc<str>);

/// Why a tag was refused. The texts are the ones that Nacos sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// A character that a tag must not hold.
    #[error("invalid tag : {tag}")]
    IllegalCharacters {
        /// The tag as it was sent.
        tag: String,
    },
    /// More than [`Tag::LEN_MAX`] characters.
    #[error("too long tag, over {}", Tag::LEN_MAX)]
    TooLong,
}

impl Tag {
    /// Characters allowed.
    pub const LEN_MAX: usize = 16;

    /// Checks and takes a tag.
    ///
    /// # Errors
    /// [`TagError`] says which rule it breaks.
    pub fn parse(raw: &str) -> Result<Self, TagError> {
        if !raw.chars().all(|c| c.is_alphanumeric() || "-_.:".contains(c)) {
            return Err(TagError::IllegalCharacters { tag: raw.to_owned() });
        }
        if raw.chars().count() > Self::LEN_MAX {
            return Err(TagError::TooLong);
        }
        Ok(Self(raw.into()))
    }

    /// Takes a tag that was parsed before it was stored.
    #[must_use]
    pub fn from_stored(raw: &str) -> Self {
        Self(raw.into())
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn service(raw: &str, expected: &Result<(), NameError>) {
        assert_eq!(&ServiceName::parse(raw).map(|_| ()), expected, "{raw:?}");
    }

    #[test]
    fn service_names_follow_the_recorded_rules() {
        let illegal = || Err(NameError::IllegalCharacters { kind: NameKind::Service });
        for good in ["orders", "a,b", "a/b", "a:b", "a#b", "a@b", &"x".repeat(512)] {
            service(good, &Ok(()));
        }
        for bad in ["a b", "a@@b", "@a", "服务", "a\tb"] {
            service(bad, &illegal());
        }
        for blank in ["", " ", "\n"] {
            service(blank, &Err(NameError::Blank { kind: NameKind::Service }));
        }
        service(&"x".repeat(513), &Err(NameError::TooLong { kind: NameKind::Service, len_max: 512 }));
    }

    #[test]
    fn groups_and_data_ids_take_only_key_characters() {
        assert!(GroupName::parse("a.b-c_d:e").is_ok());
        assert!(DataId::parse(&"x".repeat(256)).is_ok());
        for bad in ["g g", "g@g", "g/g", "组", "a,b"] {
            assert!(GroupName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_and_blank_mean_the_public_namespace() {
        for raw in [None, Some(""), Some(" "), Some("public")] {
            assert!(NamespaceId::parse_or_public(raw).is_ok_and(|n| n.is_public()), "{raw:?}");
        }
        assert!(NamespaceId::parse_or_public(Some("n/s")).is_err());
    }

    #[test]
    fn a_host_may_be_blank_but_not_hold_white_space() {
        for good in ["", " ", "::1", "host.example.com", "999.1.1.1"] {
            assert!(Host::parse(good).is_ok(), "{good:?}");
        }
        for bad in ["not an ip", "地址", &"x".repeat(129)] {
            assert!(Host::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn messages_are_those_that_clients_know() {
        let blank = GroupName::parse("").map_err(|e| e.to_string());
        assert_eq!(blank, Err("Param 'groupName' is illegal, groupName is blank".to_owned()));
        let long = NamespaceId::parse(&"n".repeat(65)).map_err(|e| e.to_string());
        assert_eq!(
            long,
            Err("Param 'namespaceId/tenant' is illegal, the param length should not exceed 64.".to_owned())
        );
    }

    #[test]
    fn tags_may_be_of_any_script_but_short() {
        assert!(Tag::parse("标签").is_ok());
        assert!(Tag::parse(&"x".repeat(16)).is_ok());
        assert_eq!(Tag::parse(&"x".repeat(17)), Err(TagError::TooLong));
        assert!(Tag::parse("a b").is_err());
    }
}
