//! What the front's channel says about itself: how often it tried again, connected, ejected, and was told another
//! list.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{interval, timeout};

/// How often is asked.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Nothing that is waited for takes long.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// What must not change while nothing happens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counters {
    /// Calls under way.
    pub in_flight: u64,
    /// Attempts that followed one that failed.
    pub retries: u64,
    /// Connections that were begun.
    pub connects: u64,
    /// Instances that were ejected.
    pub ejections: u64,
    /// Lists that were different from the one before.
    pub lists: u64,
    /// Instances that are connected.
    pub ready: usize,
    /// Instances and their states.
    pub endpoints: Value,
}

impl Counters {
    /// Asks the front.
    pub(crate) async fn of(front: SocketAddr) -> Self {
        let answer = reqwest::get(format!("http://{front}/channel")).await.expect("the front answers");
        let said: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
        let count = |name: &str| said[name].as_u64().unwrap_or_else(|| panic!("no {name} in {said}"));
        let states = said["endpoints"].as_array().into_iter().flatten().map(|one| &one["state"]);
        Self {
            ready: states.filter(|state| *state == "Ready").count(),
            in_flight: count("in_flight"),
            retries: count("retries"),
            connects: count("connects"),
            ejections: count("ejections"),
            lists: count("lists"),
            endpoints: said["endpoints"].clone(),
        }
    }

    /// Without what changes all the time.
    pub(crate) fn settled(self) -> Self {
        Self { in_flight: 0, ..self }
    }

    /// Asks until they are as expected.
    pub(crate) async fn until(front: SocketAddr, expected: impl Fn(&Self) -> bool) {
        let seen = async {
            let mut turns = interval(ASK_AGAIN);
            while !expected(&Self::of(front).await) {
                turns.tick().await;
            }
        };
        timeout(SEEN_WITHIN, seen).await.expect("the channel comes to what is expected");
    }
}
