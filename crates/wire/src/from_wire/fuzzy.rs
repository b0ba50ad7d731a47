//! The fuzzy watch requests, checked (`reference/grpc.md`, 4.2.6 and 4.3.8). Patterns are not: one of any form is taken
//! (recorded: `naming-fuzzy-bad-requests`, `config-fuzzy-bad`).

use std::borrow::Cow;

use nacrite_base::{ConfigKey, DataId, Fault, GroupName, NamespaceId, ServiceKey, ServiceName};

use crate::client::config::fuzzy::parts_of;
use crate::client::fuzzy::{CANCEL_WATCH, WATCH};
use crate::json;
use crate::rpc::fuzzy::FuzzyWatchRequest;

/// What is asked about a pattern. `K` names what is watched.
#[derive(Debug, PartialEq, Eq)]
pub enum FuzzyAsk<K> {
    /// To be told what matches, and of what comes and goes.
    Watch {
        /// The pattern as it was sent.
        pattern: String,
        /// What the client knows already; `None` if it does not want to be told what it has wrong. Names that cannot be are
        /// left out: nothing would ever be told of them.
        known: Option<Vec<K>>,
        /// It waits to be told that it knows everything.
        initializing: bool,
    },
    /// Not to be told any more.
    Cancel {
        /// The pattern as it was sent.
        pattern: String,
    },
    /// Nothing, which is answered with success (recorded: `config-fuzzy-bad`).
    Nothing,
}

/// `NamingFuzzyWatchRequest`.
///
/// # Errors
/// [`Fault::ParamMissing`] without a pattern or an operation, [`Fault::UnsupportedOperation`] for another operation.
pub fn naming_fuzzy_watch(body: &[u8]) -> Result<FuzzyAsk<ServiceKey>, Fault> {
    let ask: FuzzyWatchRequest<'_> = json::read(body)?;
    let operation = ask.watch_type.ok_or(Fault::ParamMissing { name: "watchType" })?;
    let pattern = pattern(ask.group_key_pattern)?;
    match &*operation {
        WATCH => {
            let known = ask.received_group_keys.map(|keys| names(&keys, service_of));
            Ok(FuzzyAsk::Watch { pattern, known, initializing: ask.initializing })
        }
        CANCEL_WATCH => Ok(FuzzyAsk::Cancel { pattern }),
        other => Err(Fault::UnsupportedOperation { given: other.to_owned() }),
    }
}

/// `ConfigFuzzyWatchRequest`. Without a list of what it knows, the client knows nothing. A blank namespace is `public`.
///
/// # Errors
/// [`Fault::ParamMissing`] without a pattern.
pub fn config_fuzzy_watch(body: &[u8]) -> Result<FuzzyAsk<ConfigKey>, Fault> {
    let ask: FuzzyWatchRequest<'_> = json::read(body)?;
    let pattern = pattern(ask.group_key_pattern)?;
    match ask.watch_type.as_deref() {
        Some(WATCH) => {
            let known = Some(names(&ask.received_group_keys.unwrap_or_default(), config_of));
            Ok(FuzzyAsk::Watch { pattern, known, initializing: ask.initializing })
        }
        Some(CANCEL_WATCH) => Ok(FuzzyAsk::Cancel { pattern }),
        _ => Ok(FuzzyAsk::Nothing),
    }
}

fn pattern(raw: Option<Cow<'_, str>>) -> Result<String, Fault> {
    raw.map(Cow::into_owned).ok_or(Fault::ParamMissing { name: "groupKeyPattern" })
}

fn names<K>(keys: &[Option<String>], read: impl Fn(&str) -> Option<K>) -> Vec<K> {
    keys.iter().flatten().filter_map(|key| read(key)).collect()
}

/// `namespace@@group@@service`.
fn service_of(key: &str) -> Option<ServiceKey> {
    let mut parts = key.splitn(3, "@@");
    let (namespace, group, name) = (parts.next()?, parts.next()?, parts.next()?);
    let namespace = if namespace.is_empty() { NamespaceId::unnamed() } else { NamespaceId::parse(namespace).ok()? };
    Some(ServiceKey { namespace, group: GroupName::parse(group).ok()?, name: ServiceName::parse(name).ok()? })
}

/// `dataId+group+namespace`, the last left out for the default one.
fn config_of(key: &str) -> Option<ConfigKey> {
    let (data_id, group, tenant) = parts_of(key)?;
    Some(ConfigKey {
        namespace: NamespaceId::parse_or_public(Some(&tenant)).ok()?,
        group: GroupName::parse(&group).ok()?,
        data_id: DataId::parse(&data_id).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_knows_is_read_and_what_cannot_be_is_left_out() {
        let body = br#"{"groupKeyPattern":"public>>g>>*","watchType":"WATCH","initializing":true,
            "receivedGroupKeys":["public@@g@@a","@@g@@b",null,"g@@c","public@@g@@","x y@@g@@d"]}"#;
        let Ok(FuzzyAsk::Watch { pattern, known, initializing }) = naming_fuzzy_watch(body) else {
            panic!("a watch");
        };
        let known: Vec<String> = known.into_iter().flatten().map(|key| key.to_string()).collect();
        assert_eq!((&*pattern, initializing), ("public>>g>>*", true));
        assert_eq!(known, ["public#g@@a", "#g@@b"]);

        let body = br#"{"groupKeyPattern":"p","watchType":"WATCH","receivedGroupKeys":["a+g+dev","a%2Bb+g","+g","x"]}"#;
        let Ok(FuzzyAsk::Watch { known, initializing: false, .. }) = config_fuzzy_watch(body) else {
            panic!("a watch");
        };
        let known: Vec<String> = known.into_iter().flatten().map(|key| key.to_string()).collect();
        assert_eq!(known, ["dev#g#a"], "`+` is no character of a data id");
    }

    #[test]
    fn nothing_known_is_told_apart_for_services_alone() {
        let body = br#"{"groupKeyPattern":"p","watchType":"WATCH"}"#;
        assert!(matches!(naming_fuzzy_watch(body), Ok(FuzzyAsk::Watch { known: None, .. })));
        assert!(matches!(config_fuzzy_watch(body), Ok(FuzzyAsk::Watch { known: Some(known), .. }) if known.is_empty()));
    }

    #[test]
    fn operations_that_do_not_exist_are_refused_for_services_alone() {
        let body = br#"{"groupKeyPattern":"p","watchType":"NOSUCH"}"#;
        assert!(matches!(naming_fuzzy_watch(body), Err(Fault::UnsupportedOperation { .. })));
        assert_eq!(config_fuzzy_watch(body).ok(), Some(FuzzyAsk::Nothing));
        let body = br#"{"groupKeyPattern":null,"watchType":"WATCH"}"#;
        assert!(matches!(naming_fuzzy_watch(body), Err(Fault::ParamMissing { name: "groupKeyPattern" })));
        assert!(matches!(config_fuzzy_watch(body), Err(Fault::ParamMissing { name: "groupKeyPattern" })));
        let body = br#"{"groupKeyPattern":"p"}"#;
        assert!(matches!(naming_fuzzy_watch(body), Err(Fault::ParamMissing { name: "watchType" })));
    }
}
