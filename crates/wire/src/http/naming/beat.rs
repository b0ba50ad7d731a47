//! Heart-beats: light ones with an address alone, and full ones with the whole instance as JSON.

use std::borrow::Cow;

use bytes::Bytes;
use nacrite_base::instance::Pairs;
use nacrite_base::{Fault, Host, InstanceKey, NewInstance, ServiceKey, Switches};
use serde::Deserialize;

use super::instance::port;
use super::{grouped_service, v1_service};
use crate::codes::beat;
use crate::from_wire::instance::{self, Strictness};
use crate::http::params::Params;
use crate::http::refusal::Refusal;
use crate::rpc::naming::InstanceBody;
use crate::{json, lenient};

/// A sign of life.
#[derive(Debug)]
pub struct BeatAsk {
    /// Where.
    pub service: ServiceKey,
    /// Of which instance. Its cluster does not count: a client is known by its address (recorded: `ns-instance-beat`).
    pub key: InstanceKey,
    /// The instance, if the beat describes it.
    pub full: Option<NewInstance>,
}

/// The JSON of a full beat (`reference/http.md`, 2.1.3). An absent weight is 0, unlike at a registration.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct BeatBody<'a> {
    #[serde(borrow, deserialize_with = "lenient::text")]
    ip: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "lenient::whole")]
    port: i64,
    #[serde(borrow, deserialize_with = "lenient::text")]
    cluster: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "lenient::number")]
    weight: f64,
    #[serde(deserialize_with = "lenient::metadata")]
    metadata: Option<Pairs>,
    #[serde(deserialize_with = "lenient::truth")]
    ephemeral: bool,
}

impl Default for BeatBody<'_> {
    fn default() -> Self {
        Self { ip: None, port: 0, cluster: None, weight: 0.0, metadata: None, ephemeral: true }
    }
}

/// Reads a beat of v1.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_beat(params: &Params<'_>) -> Result<BeatAsk, Refusal> {
    read(params, v1_service(params)?)
}

/// Reads a beat of v2, whose service name must be grouped.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v2_beat(params: &Params<'_>) -> Result<BeatAsk, Refusal> {
    read(params, grouped_service(params)?)
}

fn read(params: &Params<'_>, service: ServiceKey) -> Result<BeatAsk, Refusal> {
    let cluster = params.get("clusterName");
    let Some(text) = params.get("beat") else {
        let host = params.get("ip").map(Host::parse).transpose().map_err(Fault::Name)?;
        let port = params.get("port").map_or(Ok(0), port)?;
        let key = InstanceKey { host, port, cluster: instance::cluster(cluster)? };
        return Ok(BeatAsk { service, key, full: None });
    };
    // A list would pass for an object whose fields come in order.
    if !text.starts_with('{') {
        return Err(Refusal::BeatUnreadable);
    }
    let body: BeatBody<'_> = json::read(text.as_bytes()).map_err(|_| Refusal::BeatUnreadable)?;
    let in_beat = body.cluster.filter(|name| !name.trim().is_empty());
    let cluster = in_beat.unwrap_or(Cow::Borrowed(cluster.unwrap_or("DEFAULT")));
    let given = InstanceBody {
        instance_id: None,
        ip: body.ip,
        port: body.port,
        weight: body.weight,
        healthy: true,
        enabled: true,
        cluster_name: Some(cluster),
        service_name: None,
        metadata: body.metadata,
    };
    let new = instance::instance(given, &service, Strictness::Lax)?;
    let key = new.instance.key.clone();
    // What outlives its client is kept alive by no beat, so it is not registered by one either.
    Ok(BeatAsk { service, key, full: body.ephemeral.then_some(new) })
}

/// What came of a beat, as it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeatOutcome {
    /// It counted; the client is to beat at this interval.
    Alive {
        /// In ms, if its instance names one.
        interval_ms: Option<u64>,
    },
    /// Nobody is known by that address; the client must register again.
    Unknown,
}

/// The answer to a beat, the same in v1 and v2. The switches say how often clients beat whose instance names no
/// interval, and whether they may leave out what it is like.
#[must_use]
pub fn answer(outcome: BeatOutcome, switches: &Switches) -> Bytes {
    let (interval_ms, code) = match outcome {
        BeatOutcome::Alive { interval_ms } => (interval_ms.unwrap_or(switches.beat_interval_ms), beat::OK),
        BeatOutcome::Unknown => (switches.beat_interval_ms, beat::NOT_FOUND),
    };
    let mut out = Vec::with_capacity(80);
    out.extend_from_slice(b"{\"clientBeatInterval\":");
    json::write(&mut out, &interval_ms);
    out.extend_from_slice(b",\"code\":");
    json::write(&mut out, &code);
    out.extend_from_slice(b",\"lightBeatEnabled\":");
    json::write(&mut out, &switches.light_beat);
    out.push(b'}');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::params;
    use super::*;

    #[test]
    fn a_light_beat_is_an_address() {
        let ask = v1_beat(&params(&[("serviceName", "a"), ("ip", "1.1.1.1"), ("port", "8")])).expect("light");
        assert_eq!((ask.key.host.as_ref().map(Host::as_str), ask.key.port), (Some("1.1.1.1"), 8));
        assert!(ask.full.is_none());
        assert!(v1_beat(&params(&[("serviceName", "a")])).is_ok_and(|ask| ask.key.host.is_none()));
        assert!(v1_beat(&params(&[("serviceName", "a"), ("port", "x")])).is_err());
    }

    #[test]
    fn what_the_beat_says_wins_over_the_parameters() {
        let json = r#"{"ip":"2.2.2.2","port":9,"cluster":"c","serviceName":"ignored","foo":{"bar":1}}"#;
        let given = [("serviceName", "a"), ("ip", "1.1.1.1"), ("port", "8"), ("clusterName", "d"), ("beat", json)];
        let ask = v1_beat(&params(&given)).expect("full");
        let full = ask.full.expect("it describes the instance").instance;
        assert_eq!(&*full.id, "2.2.2.2#9#c#DEFAULT_GROUP@@a");
        assert_eq!((full.weight, full.healthy), (0.0, true));
    }

    #[test]
    fn unreadable_beats_are_refused() {
        for bad in ["oops", r#"{"ip":"#, "[]", r#"{"port":"x"}"#] {
            let refused = v1_beat(&params(&[("serviceName", "a"), ("beat", bad)]));
            assert!(matches!(refused, Err(Refusal::BeatUnreadable)), "{bad}");
        }
        for bad in [r#"{"cluster":"a/b"}"#, r#"{"port":70000}"#] {
            let refused = v1_beat(&params(&[("serviceName", "a"), ("beat", bad)]));
            assert!(matches!(refused, Err(Refusal::Fault(_))), "{bad}");
        }
    }

    #[test]
    fn answers_are_those_of_nacos() {
        let switches = Switches::default();
        let json = r#"{"clientBeatInterval":2000,"code":10200,"lightBeatEnabled":true}"#;
        assert_eq!(answer(BeatOutcome::Alive { interval_ms: Some(2000) }, &switches), json.as_bytes());
        let json = r#"{"clientBeatInterval":5000,"code":20404,"lightBeatEnabled":true}"#;
        assert_eq!(answer(BeatOutcome::Unknown, &switches), json.as_bytes());
    }

    #[test]
    fn switches_speak_for_instances_that_say_nothing() {
        let switches = Switches { beat_interval_ms: 4000, light_beat: false, ..Switches::default() };
        let json = r#"{"clientBeatInterval":4000,"code":10200,"lightBeatEnabled":false}"#;
        assert_eq!(answer(BeatOutcome::Alive { interval_ms: None }, &switches), json.as_bytes());
    }
}
