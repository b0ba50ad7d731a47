//! The metadata that a registration carries besides what the program says: what monitors and callers look for.
//!
//! What the program says itself is never overwritten.

use std::collections::BTreeMap;

use super::address::Chosen;
use super::listening::Listening;
use super::settings::RegisterSettings;
use crate::clock;

/// What is said besides the settings, for a server that listens.
pub(super) fn metadata(
    settings: &RegisterSettings,
    listening: &Listening,
    chosen: &Chosen,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            all.insert(key.to_owned(), value);
        }
    };
    add("preserved.register.source", Some("RUST".to_owned()));
    add("preserved.heart.beat.interval", settings.heart_beat_interval.map(|time| time.as_millis().to_string()));
    add("preserved.heart.beat.timeout", settings.heart_beat_timeout.map(|time| time.as_millis().to_string()));
    add("preserved.ip.delete.timeout", settings.ip_delete_timeout.map(|time| time.as_millis().to_string()));
    add("secure", settings.is_secure.then(|| "true".to_owned()));
    add("IPv6", chosen.also_v6.map(|ip| format!("[{ip}]")));
    let management = &settings.management;
    add("management.port", management.port.map(|port| port.to_string()));
    add("management.address", management.address.clone());
    add("management.context-path", management.context_path.clone());
    add("management.endpoints.web.base-path", management.base_path.clone());
    add("start.time", Some(clock::wall_ms().to_string()));
    all.extend(listening.metadata.clone());
    all.extend(settings.metadata.clone());
    all
}
