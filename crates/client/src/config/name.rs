//! Which config is meant: its data id and its group, as users write them. Checked before anything is sent.

use std::fmt;
use std::sync::Arc;

use nacrite_base::{DataId, GroupName};

use crate::error::Error;

/// The group of a config that names none.
const DEFAULT_GROUP: &str = "DEFAULT_GROUP";

/// Name of a config inside the namespace of its client: a data id and a group.
///
/// Made from a data id alone, which is in `DEFAULT_GROUP`, or from a data id and a group:
///
/// ```
/// use nacrite_client::config::ConfigName;
///
/// let name = ConfigName::from(("orders.yaml", "SHOP"));
/// assert_eq!((name.data_id(), name.group()), ("orders.yaml", "SHOP"));
/// assert_eq!(ConfigName::from("orders.yaml").group(), "DEFAULT_GROUP");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigName {
    group: Arc<str>,
    data_id: Arc<str>,
}

impl ConfigName {
    /// A config in `DEFAULT_GROUP`.
    #[must_use]
    pub fn new(data_id: impl Into<Arc<str>>) -> Self {
        Self { group: DEFAULT_GROUP.into(), data_id: data_id.into() }
    }

    /// The same data id in another group.
    #[must_use]
    pub fn in_group(mut self, group: impl Into<Arc<str>>) -> Self {
        self.group = group.into();
        self
    }

    /// Name inside the group.
    #[must_use]
    pub fn data_id(&self) -> &str {
        &self.data_id
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Checks both parts by the server's own rules, so that what it would refuse is never sent.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        DataId::parse(&self.data_id).map_err(|error| Error::Invalid(format!("data id {:?}: {error}", self.data_id)))?;
        GroupName::parse(&self.group).map_err(|error| Error::Invalid(format!("group {:?}: {error}", self.group)))?;
        Ok(self)
    }
}

impl fmt::Display for ConfigName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.group, self.data_id)
    }
}

impl From<&str> for ConfigName {
    fn from(data_id: &str) -> Self {
        Self::new(data_id)
    }
}

impl From<String> for ConfigName {
    fn from(data_id: String) -> Self {
        Self::new(data_id)
    }
}

impl From<(&str, &str)> for ConfigName {
    fn from((data_id, group): (&str, &str)) -> Self {
        Self::new(data_id).in_group(group)
    }
}

impl From<&Self> for ConfigName {
    fn from(name: &Self) -> Self {
        name.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_server_would_refuse_are_refused_here() {
        assert!(ConfigName::from("orders.yaml").checked().is_ok());
        for bad in [("", "G"), (" ", "G"), ("a b", "G"), ("a", ""), ("a", "g/g"), ("配置", "G")] {
            let refused = ConfigName::from(bad).checked();
            assert!(matches!(refused, Err(Error::Invalid(_))), "{bad:?}");
        }
    }
}
