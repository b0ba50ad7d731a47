//! What the front's channel says about itself: how often it connected, ejected, and was told another list.

use std::net::SocketAddr;

use serde_json::Value;

/// What must not change while nothing happens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counters {
    /// Connections that were begun.
    pub connects: u64,
    /// Instances that were ejected.
    pub ejections: u64,
    /// Lists that were different from the one before.
    pub lists: u64,
    /// Instances and their states.
    pub endpoints: Value,
}

impl Counters {
    /// Asks the front.
    pub(crate) async fn of(front: SocketAddr) -> Self {
        let answer = reqwest::get(format!("http://{front}/channel")).await.expect("the front answers");
        let said: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
        let count = |name: &str| said[name].as_u64().unwrap_or_else(|| panic!("no {name} in {said}"));
        Self {
            connects: count("connects"),
            ejections: count("ejections"),
            lists: count("lists"),
            endpoints: said["endpoints"].clone(),
        }
    }
}
