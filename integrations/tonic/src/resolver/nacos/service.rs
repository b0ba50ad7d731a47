//! What a target of the scheme `nacos` asks for.

use nacrite_client::config::ConfigName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::target::{Target, TargetError};

/// What may stand in an authority as it is (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parameters, for the error that names them.
const PARAMETERS: &str = "group, cluster, scheme, port_key, protocol, version, config, config_group";

/// The service, and which of its instances are called, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wanted {
    pub(super) service: String,
    /// `None` for the default one, or the one that the service's name carries.
    pub(super) group: Option<String>,
    /// None means all.
    pub(super) clusters: Vec<String>,
    /// Whether all instances speak TLS, whatever they say.
    pub(super) secure: Option<bool>,
    /// The key of the metadata that holds the port, looked for before the usual ones.
    pub(super) port_key: Option<String>,
    /// What the metadata has to say, key by key.
    pub(super) metadata: Vec<(&'static str, String)>,
    /// The config item that holds the service config.
    pub(super) config: Option<ConfigName>,
}

impl Wanted {
    /// Reads a target.
    ///
    /// # Errors
    /// Which part of it is wrong, and what would be right.
    pub(super) fn read(target: &Target) -> Result<Self, TargetError> {
        let mut wanted = Self::default();
        match target.segments()?.as_slice() {
            [service] => service.clone_into(&mut wanted.service),
            [group, service] => {
                service.clone_into(&mut wanted.service);
                wanted.group = Some(group.clone());
            }
            _ => return Err(target.wrong("names no service; write nacos:///service or nacos://registry/group/service")),
        }
        let (mut config, mut config_group) = (None, None);
        for (key, value) in target.query() {
            if value.is_empty() {
                return Err(target.wrong(format!("has nothing for {key:?}")));
            }
            match key.as_str() {
                "group" if wanted.group.as_ref().is_some_and(|group| group != value) => {
                    return Err(target.wrong("names two groups"));
                }
                "group" => wanted.group = Some(value.clone()),
                "cluster" | "clusters" => wanted.clusters.extend(value.split(',').map(str::to_owned)),
                "scheme" => wanted.secure = Some(read_scheme(target, value)?),
                "port_key" => wanted.port_key = Some(value.clone()),
                "protocol" => wanted.metadata.push(("protocol", value.clone())),
                "version" => wanted.metadata.push(("version", value.clone())),
                "config" => config = Some(value.clone()),
                "config_group" => config_group = Some(value.clone()),
                _ => return Err(target.wrong(format!("has the parameter {key:?}; there are {PARAMETERS}"))),
            }
        }
        wanted.config = match (config, config_group) {
            (Some(data_id), Some(group)) => Some(ConfigName::new(data_id).in_group(group)),
            (Some(data_id), None) => Some(ConfigName::new(data_id)),
            (None, Some(_)) => return Err(target.wrong("has a config_group without a config")),
            (None, None) => None,
        };
        Ok(wanted)
    }

    /// The name of the service, without its group, as an authority can say it.
    pub(super) fn authority(&self) -> String {
        let name = self.service.rsplit_once("@@").map_or(self.service.as_str(), |(_, name)| name);
        utf8_percent_encode(name, ENCODED).to_string()
    }
}

fn read_scheme(target: &Target, value: &str) -> Result<bool, TargetError> {
    match value {
        "https" => Ok(true),
        "http" => Ok(false),
        _ => Err(target.wrong(format!("has the scheme {value:?} for its instances; there are http and https"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Wanted, TargetError> {
        Wanted::read(&Target::parse(text, "nacos", |scheme| scheme == "nacos")?)
    }

    #[test]
    fn a_target_says_which_instances_are_called_and_how() {
        let group = Some("SHOP".to_owned());
        let orders = Wanted { service: "orders".to_owned(), group, ..Wanted::default() };
        for same in ["nacos:///orders?group=SHOP", "nacos://dev@main/SHOP/orders", "nacos:///SHOP/orders?group=SHOP"] {
            assert_eq!(read(same), Ok(orders.clone()), "{same}");
        }
        let all = "nacos:///orders?group=SHOP&cluster=a,b&clusters=c&scheme=https&port_key=p&protocol=grpc&version=2&\
                   config=orders.json&config_group=CALLS";
        let all = read(all).expect("a target");
        assert_eq!(
            (all.clusters.join("+"), all.secure, all.port_key.as_deref()),
            ("a+b+c".to_owned(), Some(true), Some("p"))
        );
        assert_eq!(all.metadata, [("protocol", "grpc".to_owned()), ("version", "2".to_owned())]);
        assert_eq!(all.config.expect("a config").to_string(), "CALLS#orders.json");
    }

    #[test]
    fn the_authority_is_the_name_of_the_service() {
        for (text, authority) in [
            ("nacos:///orders?group=SHOP", "orders"),
            ("nacos:///SHOP@@orders", "orders"),
            ("nacos:///or%2Fders%20x", "or%2Fders%20x"),
        ] {
            assert_eq!(read(text).expect("a target").authority(), authority);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, why) in [
            ("nacos:///", "names no service"),
            ("nacos:///a/b/c", "names no service"),
            ("nacos:///a?grop=b", "there are group, cluster"),
            ("nacos:///a?group=", "has nothing for"),
            ("nacos:///A/b?group=C", "two groups"),
            ("nacos:///a?scheme=ftp", "http and https"),
            ("nacos:///a?config_group=G", "without a config"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
