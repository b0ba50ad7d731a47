//! What the guard does, as its endpoints tell it. Nacos has nothing like it; the model is this server's own.

use nacrite_base::{ServiceKey, Timestamp};
use serde::Serialize;

use crate::json;

/// In which state the guard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardState {
    /// Switched off.
    Off,
    /// Silence is believed.
    Open,
    /// The server waits for the clients that it knew.
    Warming,
    /// The silence of many is not believed.
    Braking,
}

/// Why it is in that state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardReason {
    /// The server was started.
    Start,
    /// The server stood still.
    Stall,
    /// Most clients are silent.
    Many,
    /// Nearly all instances of some services are silent.
    Services,
}

impl GuardReason {
    fn words(self) -> &'static str {
        match self {
            Self::Start => "the server was started, and waits for the clients that it knew",
            Self::Stall => "the server stood still, and waits for the clients that it knew",
            Self::Many => "so many clients are silent that the server may be cut off",
            Self::Services => "nearly all instances of some services are silent",
        }
    }
}

/// What the guard does.
#[derive(Clone, Debug)]
pub struct GuardShown<'a> {
    /// In which state it is.
    pub state: GuardState,
    /// Since when.
    pub since: Timestamp,
    /// When the warm-up ends at the latest.
    pub until: Option<Timestamp>,
    /// Why it is not open.
    pub reason: Option<GuardReason>,
    /// Instances whose clients are heard.
    pub heard: usize,
    /// Instances whose clients are not.
    pub silent: usize,
    /// How long a warm-up takes at most, in ms.
    pub warm_up_ms: u64,
    /// How long the silence of many is not believed, in ms.
    pub patience_ms: u64,
    /// From which share on silent instances are many, in percent.
    pub share_percent: u64,
    /// Services in which silent instances are held: instances that are heard, and that are held.
    pub held: Vec<(&'a ServiceKey, usize, usize)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    state: GuardState,
    since: u64,
    until: Option<u64>,
    reason: Option<&'static str>,
    heard: usize,
    silent: usize,
    warm_up_ms: u64,
    patience_ms: u64,
    share_percent: u64,
    held: Vec<HeldBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeldBody<'a> {
    namespace_id: &'a str,
    group_name: &'a str,
    service_name: &'a str,
    heard: usize,
    held: usize,
}

impl GuardShown<'_> {
    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let held = self.held.iter().map(|(service, heard, held)| HeldBody {
            namespace_id: service.namespace.as_str(),
            group_name: service.group.as_str(),
            service_name: service.name.as_str(),
            heard: *heard,
            held: *held,
        });
        json::bytes(&Body {
            state: self.state,
            since: self.since.as_ms(),
            until: self.until.map(Timestamp::as_ms),
            reason: self.reason.map(GuardReason::words),
            heard: self.heard,
            silent: self.silent,
            warm_up_ms: self.warm_up_ms,
            patience_ms: self.patience_ms,
            share_percent: self.share_percent,
            held: held.collect(),
        })
    }
}
