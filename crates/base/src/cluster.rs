//! What an operator sets for one cluster of a service: how its persistent instances are checked, and texts.
//!
//! Says what is wanted, not how it is done: when to check stands in `nacrite_naming::probe`, the checks themselves are
//! made by `nacrite_app::health`. Every text here is bounded, because a cluster may be named by anybody who may write to the service.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::instance::Metadata;
use crate::name::ClusterName;

/// Characters of each text of a checker. As many as metadata may have; a longer one is refused.
pub const CHECKER_TEXT_LEN_MAX: usize = 1024;

/// The port that is checked unless an operator says otherwise.
pub const CHECK_PORT: u16 = 80;

/// The status that a check over HTTP expects unless an operator says otherwise.
pub const EXPECTED_STATUS: u16 = 200;

/// How the persistent instances of a cluster are checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Checker {
    /// Not at all; somebody says by hand how they are.
    None,
    /// They take a connection.
    #[default]
    Tcp,
    /// They answer a GET.
    Http(HttpCheck),
    /// They let a user in and answer a query.
    Mysql(MysqlCheck),
}

impl Checker {
    /// What Nacos calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Tcp => "TCP",
            Self::Http(_) => "HTTP",
            Self::Mysql(_) => "MYSQL",
        }
    }
}

/// A check over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// The path; one that does not begin with a slash gets one.
    pub path: Arc<str>,
    /// Headers as `name:value|name:value`.
    pub headers: Arc<str>,
    /// The status that says the instance is well. Nacos keeps it but expects 200 whatever it says.
    pub expected_status: u16,
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self { path: "".into(), headers: "".into(), expected_status: EXPECTED_STATUS }
    }
}

impl HttpCheck {
    /// The headers one by one; a part that is not `name:value` is none, as in Nacos.
    pub fn header_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.split('|').filter_map(|part| {
            let (name, value) = part.split_once(':')?;
            (!value.contains(':') && !name.trim().is_empty()).then(|| (name.trim(), value.trim()))
        })
    }
}

/// A check of a MySQL server.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MysqlCheck {
    /// Who logs in.
    pub user: Option<Arc<str>>,
    /// With which password.
    pub password: Option<Arc<str>>,
    /// The query; without one the login is the check.
    pub command: Option<Arc<str>>,
}

/// Logs and panics show commands, and must not show passwords.
impl fmt::Debug for MysqlCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlCheck").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What an operator set for a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSettings {
    /// How its instances are checked.
    pub checker: Checker,
    /// The port that is checked if it is not that of the instance.
    pub check_port: u16,
    /// Whether the port of the instance is checked.
    pub use_instance_port: bool,
    /// Texts attached to the cluster.
    pub metadata: Metadata,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            checker: Checker::default(),
            check_port: CHECK_PORT,
            use_instance_port: true,
            metadata: Metadata::default(),
        }
    }
}

/// The clusters of a service that have settings.
pub type Clusters = BTreeMap<ClusterName, Arc<ClusterSettings>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs_and_what_is_none_is_left_out() {
        let check = HttpCheck { headers: " a : 1 |b:2|c|:3|d:4:5|".into(), ..HttpCheck::default() };
        assert_eq!(check.header_pairs().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(HttpCheck::default().header_pairs().count(), 0);
    }

    #[test]
    fn passwords_are_not_shown() {
        let secret = MysqlCheck { user: Some("u".into()), password: Some("hunter".into()), command: None };
        let shown = format!("{:?}", Checker::Mysql(secret));
        assert!(shown.contains("\"u\"") && !shown.contains("hunter"), "{shown}");
    }
}
