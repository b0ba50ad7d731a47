//! Switches: what an operator moves, and all of them as they are.

use nacrite_base::Switches;
use nacrite_base::switches::Pace;
use serde::Deserialize;

use crate::http::params::Params;
use crate::http::refusal::Refusal;
use crate::{json, lenient};

/// A switch that is to be moved.
#[derive(Debug, PartialEq, Eq)]
pub struct SwitchAsk {
    /// Which.
    pub entry: String,
    /// Where to, in the words of [`Switches::set`].
    pub value: String,
    /// On this node alone.
    pub here: bool,
}

/// Reads a switch of v1, where entry and value may be blank.
///
/// # Errors
/// [`Refusal::NotBound`], [`Refusal::Unbindable`] or [`Refusal::SwitchRefused`].
pub fn v1_switch(params: &Params<'_>) -> Result<SwitchAsk, Refusal> {
    read(params, params.bound("entry")?, params.bound("value")?)
}

/// Reads a switch of v2 and v3.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn form_switch(params: &Params<'_>) -> Result<SwitchAsk, Refusal> {
    read(params, params.required("entry")?, params.required("value")?)
}

fn read(params: &Params<'_>, entry: &str, value: &str) -> Result<SwitchAsk, Refusal> {
    let here = params.form_flag("debug")?.unwrap_or(false);
    let value = match entry {
        "httpHealthParams" => pace(value, Pace::HTTP)?,
        "tcpHealthParams" => pace(value, Pace::TCP)?,
        "mysqlHealthParams" => pace(value, Pace::MYSQL)?,
        _ => value.to_owned(),
    };
    Ok(SwitchAsk { entry: entry.to_owned(), value, here })
}

/// What is not said about a pace is as it is by default.
#[derive(Deserialize)]
#[serde(default)]
struct PaceBody {
    #[serde(deserialize_with = "lenient::whole")]
    max: i64,
    #[serde(deserialize_with = "lenient::whole")]
    min: i64,
    #[serde(deserialize_with = "lenient::number")]
    factor: f64,
}

/// Stands for "as it is by default" in a [`PaceBody`].
const UNSAID: i64 = i64::MIN;

impl Default for PaceBody {
    fn default() -> Self {
        Self { max: UNSAID, min: UNSAID, factor: f64::NAN }
    }
}

fn pace(given: &str, default: Pace) -> Result<String, Refusal> {
    let unreadable = || Refusal::SwitchRefused { message: "health params must be a JSON object".to_owned() };
    if !given.starts_with('{') {
        return Err(unreadable());
    }
    let body: PaceBody = json::read(given.as_bytes()).map_err(|_| unreadable())?;
    // What is below zero is too small, like zero.
    let said = |ms: i64, default: u64| if ms == UNSAID { default } else { u64::try_from(ms).unwrap_or(0) };
    let factor = if body.factor.is_nan() { default.factor } else { body.factor };
    Ok(format!("{},{},{factor}", said(body.max, default.max_ms), said(body.min, default.min_ms)))
}

/// How a generation names the versions from which on clients are pushed to over UDP; the languages are in the order of
/// [`nacrite_base::switches::PUSH_LANGUAGES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchNames {
    /// 2.5.1.
    V1,
    /// 3.1.
    V3,
}

impl SwitchNames {
    const fn push_versions(self) -> [&'static str; 5] {
        match self {
            Self::V1 => ["pushGoVersion", "pushJavaVersion", "pushPythonVersion", "pushCVersion", "pushCSharpVersion"],
            Self::V3 => {
                ["pushVersionOfGo", "pushVersionOfJava", "pushVersionOfPython", "pushVersionOfC", "pushVersionOfCsharp"]
            }
        }
    }
}

/// All switches, in the order in which Nacos shows them (recorded: `ns-operator-switches`). What cannot be moved here is
/// shown as it always is.
#[must_use]
pub fn switches(of: &Switches, names: SwitchNames) -> Vec<u8> {
    let mut object = Object(Vec::with_capacity(1024));
    object.field("masters", &of.masters.as_ref().map(|all| all.iter().map(|one| &**one).collect::<Vec<_>>()));
    object.raw("adWeightMap", b"{}");
    object.field("defaultPushCacheMillis", &crate::service_info::CACHE_MS);
    object.field("clientBeatInterval", &of.beat_interval_ms);
    object.field("defaultCacheMillis", &of.default_cache_ms);
    object.field("distroThreshold", &of.distro_threshold);
    object.field("healthCheckEnabled", &of.health_check);
    object.field("autoChangeHealthCheckEnabled", &of.auto_change_health_check);
    object.field("distroEnabled", &of.distro);
    object.field("enableStandalone", &true);
    object.field("pushEnabled", &of.push);
    object.field("checkTimes", &of.check_times);
    object.pace("httpHealthParams", of.http_pace);
    object.pace("tcpHealthParams", of.tcp_pace);
    object.pace("mysqlHealthParams", of.mysql_pace);
    object.raw("incrementalList", b"[]");
    object.field("serverStatusSynchronizationPeriodMillis", &of.server_status_ms);
    object.field("serviceStatusSynchronizationPeriodMillis", &of.service_status_ms);
    object.field("disableAddIP", &of.disable_add_ip);
    object.field("sendBeatOnly", &of.send_beat_only);
    object.field("lightBeatEnabled", &of.light_beat);
    object.raw("limitedUrlMap", b"{}");
    object.field("distroServerExpiredMillis", &of.distro_server_expired_ms);
    for (name, version) in names.push_versions().into_iter().zip(&of.push_versions) {
        object.field(name, &**version);
    }
    object.field("enableAuthentication", &false);
    object.field("overriddenServerStatus", "");
    object.field("defaultInstanceEphemeral", &of.default_ephemeral);
    object.raw("healthCheckWhiteList", b"[]");
    object.field("name", "00-00---000-NACOS_SWITCH_DOMAIN-000---00-00");
    object.raw("checksum", b"null");
    object.end()
}

struct Object(Vec<u8>);

impl Object {
    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        json::write(&mut self.0, name);
        self.0.push(b':');
    }

    fn field<T: serde::Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.name(name);
        json::write(&mut self.0, value);
    }

    fn raw(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(json);
    }

    fn pace(&mut self, name: &str, pace: Pace) {
        let mut of = Object(Vec::with_capacity(48));
        of.field("max", &pace.max_ms);
        of.field("min", &pace.min_ms);
        of.field("factor", &pace.factor);
        self.raw(name, &of.end());
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::params;
    use super::*;

    #[test]
    fn a_switch_is_read_and_paces_are_numbers() {
        let ask = |entry, value| v1_switch(&params(&[("entry", entry), ("value", value), ("debug", "true")]));
        let asked = SwitchAsk { entry: "check".to_owned(), value: "false".to_owned(), here: true };
        assert_eq!(ask("check", "false").ok(), Some(asked));
        let value = |given| ask("tcpHealthParams", given).map(|ask| ask.value).map_err(|refusal| refusal.to_string());
        assert_eq!(value(r#"{"max":6000,"min":700,"factor":0.5}"#), Ok("6000,700,0.5".to_owned()));
        assert_eq!(value(r#"{"max":6000}"#), Ok("6000,1000,0.75".to_owned()));
        assert_eq!(value(r#"{"min":-1}"#), Ok("5000,0,0.75".to_owned()));
        for bad in ["", "5000", "[1]", r#"{"max":"#] {
            assert!(value(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let told = |refused: Result<SwitchAsk, Refusal>| refused.map_err(|refusal| refusal.to_string());
        let missing = told(form_switch(&params(&[("value", "1")])));
        assert_eq!(missing, Err("Param 'entry' is required.".to_owned()));
        assert!(matches!(v1_switch(&params(&[("entry", "check")])), Err(Refusal::NotBound { name: "value" })));
        let junk = v1_switch(&params(&[("entry", "check"), ("value", "1"), ("debug", "maybe")]));
        assert!(matches!(junk, Err(Refusal::Unbindable { name: "debug", .. })));
    }

    #[test]
    fn defaults_are_shown_as_nacos_shows_them() {
        let json = String::from_utf8(switches(&Switches::default(), SwitchNames::V1)).expect("JSON");
        let begins = concat!(
            r#"{"masters":null,"adWeightMap":{},"defaultPushCacheMillis":10000,"clientBeatInterval":5000,"#,
            r#""defaultCacheMillis":3000,"distroThreshold":0.7,"healthCheckEnabled":true,"#
        );
        assert!(json.starts_with(begins), "{json}");
        for part in [
            r#""httpHealthParams":{"max":5000,"min":500,"factor":0.85},"tcpHealthParams":{"max":5000,"min":1000,"#,
            r#""pushGoVersion":"0.1.0","pushJavaVersion":"0.1.0","pushPythonVersion":"0.4.3","pushCVersion":"1.0.12","#,
        ] {
            assert!(json.contains(part), "{json}");
        }
        let v3 = String::from_utf8(switches(&Switches::default(), SwitchNames::V3)).expect("JSON");
        assert!(v3.contains(r#""pushVersionOfCsharp":"0.9.0""#), "{v3}");
    }
}
