//! One running copy of a service, as its client describes it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::name::{ClusterName, Host, NameError, NameKind};

/// What identifies an instance inside its service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceKey {
    /// The address; `None` if the client gave none (recorded: `naming-instance-missing`).
    pub host: Option<Host>,
    /// The port; 0 is allowed.
    pub port: u16,
    /// The cluster inside the service.
    pub cluster: ClusterName,
}

/// One running copy of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Where it is.
    pub key: InstanceKey,
    /// The id that clients see; made from the key unless the client gave one.
    pub id: Arc<str>,
    /// Share of the traffic, normally 1.0; 0 means none. Any number is kept over gRPC, HTTP allows 0 to 10,000.
    pub weight: f64,
    /// Whether it answers, by its client, its heart-beat or its health check.
    pub healthy: bool,
    /// Whether it may get traffic; a disabled one is not shown to clients.
    pub enabled: bool,
    /// What the client says about it.
    pub metadata: Metadata,
}

/// How a new instance gets its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdRule {
    /// The id in the instance counts: given by the client, or made from the key.
    AsGiven,
    /// A number of the server's goes in front (`preserved.instance.id.generator=snowflake`).
    Snowflake,
}

/// An instance that is to be registered.
#[derive(Clone, Debug, PartialEq)]
pub struct NewInstance {
    /// The instance.
    pub instance: Instance,
    /// Where its id comes from.
    pub id_rule: IdRule,
}

/// Texts that a client attaches to an instance. A key may stand without a value: clients send `null`, see nothing of
/// it, but the metadata is not empty (recorded: `naming-invalid-metadata`). Shared, because views copy instances often
/// and metadata never changes in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Arc<Pairs>);

/// Keys and what they stand for.
pub type Pairs = BTreeMap<Box<str>, Option<Box<str>>>;

impl Metadata {
    /// Characters of all keys and values together (`nacos.naming.service.metadata.length`).
    pub const LEN_MAX: usize = 1024;

    /// Checks and takes metadata.
    ///
    /// # Errors
    /// [`NameError::TooLong`] above [`Self::LEN_MAX`] characters.
    pub fn parse(pairs: Pairs) -> Result<Self, NameError> {
        let bytes: usize = pairs.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, |v| v.len())).sum();
        if bytes > Self::LEN_MAX {
            let texts = pairs.iter().flat_map(|(k, v)| [Some(k), v.as_ref()]).flatten();
            let chars: usize = texts.map(|text| text.chars().count()).sum();
            if chars > Self::LEN_MAX {
                return Err(NameError::TooLong { kind: NameKind::Metadata, len_max: Self::LEN_MAX });
            }
        }
        Ok(Self(Arc::new(pairs)))
    }

    /// Takes metadata without looking at its length: what was stored, and what operators attach.
    #[must_use]
    pub fn from_stored(pairs: Pairs) -> Self {
        Self(Arc::new(pairs))
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_deref()
    }

    /// All pairs that have a value, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(k, v)| Some((&**k, v.as_deref()?)))
    }

    /// All keys with what they stand for.
    #[must_use]
    pub fn pairs(&self) -> &Pairs {
        &self.0
    }

    /// Whether there is nothing, not even a key without a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy with `other` laid over it: where both have a key, the value of `other` counts.
    #[must_use]
    pub fn overlaid(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        let mut pairs = (*self.0).clone();
        pairs.extend(other.0.iter().map(|(k, v)| (k.clone(), v.clone())));
        Self(Arc::new(pairs))
    }

    fn millis(&self, key: &str, default: Duration) -> Duration {
        self.get(key).and_then(|v| v.parse::<u64>().ok()).map_or(default, Duration::from_millis)
    }

    /// How often the client beats (`preserved.heart.beat.interval`, ms). 5 s unless given as a number.
    #[must_use]
    pub fn beat_interval(&self) -> Duration {
        self.own_beat_interval().unwrap_or(Duration::from_secs(5))
    }

    /// The same, only if it is given as a number.
    #[must_use]
    pub fn own_beat_interval(&self) -> Option<Duration> {
        self.get("preserved.heart.beat.interval")?.parse().ok().map(Duration::from_millis)
    }

    /// Silence after which the instance counts as unhealthy (`preserved.heart.beat.timeout`, ms). 15 s unless given.
    #[must_use]
    pub fn beat_timeout(&self) -> Duration {
        self.millis("preserved.heart.beat.timeout", Duration::from_secs(15))
    }

    /// Silence after which the instance is removed (`preserved.ip.delete.timeout`, ms). 30 s unless given.
    #[must_use]
    pub fn delete_timeout(&self) -> Duration {
        self.millis("preserved.ip.delete.timeout", Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&str, &str)]) -> Result<Metadata, NameError> {
        Metadata::parse(pairs.iter().map(|(k, v)| ((*k).into(), Some((*v).into()))).collect())
    }

    #[test]
    fn length_counts_characters_of_keys_and_values() {
        assert!(metadata(&[("k", &"值".repeat(1023))]).is_ok());
        assert_eq!(
            metadata(&[("k", &"v".repeat(1024))]),
            Err(NameError::TooLong { kind: NameKind::Metadata, len_max: 1024 })
        );
    }

    #[test]
    fn beat_settings_that_are_no_numbers_keep_the_defaults() {
        let odd = metadata(&[("preserved.heart.beat.interval", "x"), ("preserved.heart.beat.timeout", "-5")]);
        let odd = odd.unwrap_or_default();
        assert_eq!(odd.beat_interval(), Duration::from_secs(5));
        assert_eq!(odd.beat_timeout(), Duration::from_secs(15));
        let set = metadata(&[("preserved.ip.delete.timeout", "2500")]).unwrap_or_default();
        assert_eq!(set.delete_timeout(), Duration::from_millis(2500));
    }

    #[test]
    fn an_overlay_wins_key_by_key() {
        let own = metadata(&[("a", "1"), ("b", "1")]).unwrap_or_default();
        let over = metadata(&[("b", "2")]).unwrap_or_default();
        let both = own.overlaid(&over);
        assert_eq!(both.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
    }
}
