//! What operators switch for the whole of naming while it runs (`reference/http.md`, 2.3.1).
//!
//! Every entry that Nacos takes is known here. One that Nacos itself only keeps and shows is kept and shown; one that
//! would change something that this server does not do is refused by name; an entry that nobody knows changes nothing,
//! as in Nacos (recorded: `ns-operator-switches`).

use std::sync::Arc;

/// How the period between checks follows the time that they take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The longest period, in ms.
    pub max_ms: u64,
    /// The shortest period, in ms.
    pub min_ms: u64,
    /// How much of the old period stays in the new one. 0 to 1.
    pub factor: f64,
}

impl Pace {
    /// Of checks over TCP.
    pub const TCP: Self = Self { max_ms: 5000, min_ms: 1000, factor: 0.75 };
    /// Of checks over HTTP.
    pub const HTTP: Self = Self { max_ms: 5000, min_ms: 500, factor: 0.85 };
    /// Of checks of MySQL servers.
    pub const MYSQL: Self = Self { max_ms: 3000, min_ms: 2000, factor: 0.65 };
}

/// Characters of a value. No entry needs as many; a longer one is refused.
pub const VALUE_LEN_MAX: usize = 1024;

/// The languages whose clients are told apart by the version from which on they are pushed to over UDP.
pub const PUSH_LANGUAGES: [&str; 5] = ["go", "java", "python", "c", "csharp"];

/// Beats more often than this, in ms, are work without use; Nacos has no such bound.
const BEAT_INTERVAL_MS_MIN: u64 = 100;

/// Lists are written once for everybody, and all of them say this time, in ms.
const PUSH_CACHE_MS: u64 = 10_000;

/// The switches as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Switches {
    // --- what this server goes by ---
    /// `check`: persistent instances are checked.
    pub health_check: bool,
    /// `healthCheckTimes`: so many results in a row change what an instance counts as.
    pub check_times: u32,
    /// `httpHealthParams`.
    pub http_pace: Pace,
    /// `tcpHealthParams`.
    pub tcp_pace: Pace,
    /// `mysqlHealthParams`.
    pub mysql_pace: Pace,
    /// `clientBeatInterval`, in ms: what a client is told whose instance names no interval.
    pub beat_interval_ms: u64,
    /// `lightBeatEnabled`: clients may beat without describing their instance.
    pub light_beat: bool,
    /// `pushEnabled`: subscribers are told of changes; what changes meanwhile is told when it is switched on again.
    pub push: bool,
    /// `defaultInstanceEphemeral`: an instance that does not say what it is lives as long as its client.
    pub default_ephemeral: bool,
    /// `pushVersion`, in the order of [`PUSH_LANGUAGES`].
    pub push_versions: [Arc<str>; 5],

    // --- what Nacos only keeps and shows, too ---
    /// `distro`: for a cluster of several nodes.
    pub distro: bool,
    /// `masters`.
    pub masters: Option<Vec<Arc<str>>>,
    /// `defaultCacheMillis`.
    pub default_cache_ms: u64,
    /// `distroThreshold`.
    pub distro_threshold: f32,
    /// `autoChangeHealthCheckEnabled`.
    pub auto_change_health_check: bool,
    /// `serverStatusSynchronizationPeriodMillis`.
    pub server_status_ms: u64,
    /// `serviceStatusSynchronizationPeriodMillis`.
    pub service_status_ms: u64,
    /// `disableAddIP`.
    pub disable_add_ip: bool,
    /// `sendBeatOnly`.
    pub send_beat_only: bool,
    /// `distroServerExpiredMillis`.
    pub distro_server_expired_ms: u64,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            health_check: true,
            check_times: 3,
            http_pace: Pace::HTTP,
            tcp_pace: Pace::TCP,
            mysql_pace: Pace::MYSQL,
            beat_interval_ms: 5000,
            light_beat: true,
            push: true,
            default_ephemeral: true,
            push_versions: ["0.1.0", "0.1.0", "0.4.3", "1.0.12", "0.9.0"].map(Into::into),
            distro: true,
            masters: None,
            default_cache_ms: 3000,
            distro_threshold: 0.7,
            auto_change_health_check: true,
            server_status_ms: 2000,
            service_status_ms: 5000,
            disable_add_ip: false,
            send_beat_only: false,
            distro_server_expired_ms: 10_000,
        }
    }
}

/// Why a switch was not moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchRefusal {
    /// The value is none for the entry. The texts are Nacos's.
    #[error("{0}")]
    Illegal(String),
    /// The value asks for something that is not there.
    #[error("switch '{entry}' cannot have this value here: {reason}")]
    NotServed {
        /// The entry.
        entry: &'static str,
        /// What this server does instead.
        reason: &'static str,
    },
}

impl Switches {
    /// Moves a switch. Paces are given as `max,min,factor`. Returns the name under which the entry is kept; `None` if
    /// nothing can come of it, because nobody knows the entry or its value means nothing.
    ///
    /// # Errors
    /// [`SwitchRefusal`]; then nothing changed.
    pub fn set(&mut self, entry: &str, value: &str) -> Result<Option<&'static str>, SwitchRefusal> {
        if value.chars().count() > VALUE_LEN_MAX {
            return Err(illegal(format!("the value is longer than {VALUE_LEN_MAX} characters")));
        }
        if let Some(kept_as) = self.set_flag(entry, value) {
            return Ok(Some(kept_as));
        }
        if let Some(kept_as) = self.set_number(entry, value)? {
            return Ok(Some(kept_as));
        }
        match entry {
            "httpHealthParams" => self.http_pace = pace(value)?,
            "tcpHealthParams" => self.tcp_pace = pace(value)?,
            "mysqlHealthParams" => self.mysql_pace = pace(value)?,
            "masters" => self.masters = Some(value.split(',').map(Into::into).collect()),
            "pushVersion" => return self.set_push_version(value).map(Some),
            "limitedUrlMap" => return limited_urls(value).map(|()| None),
            "overriddenServerStatus" if value != "null" => {
                let reason = "the state of this server is what it is";
                return Err(SwitchRefusal::NotServed { entry: "overriddenServerStatus", reason });
            }
            _ => return Ok(None),
        }
        Ok(name_of(entry))
    }

    /// Flags: everything but `true` is false, as in Nacos.
    fn set_flag(&mut self, entry: &str, value: &str) -> Option<&'static str> {
        let flag = match entry {
            "check" => &mut self.health_check,
            "lightBeatEnabled" => &mut self.light_beat,
            "pushEnabled" => &mut self.push,
            "defaultInstanceEphemeral" => &mut self.default_ephemeral,
            "distro" => &mut self.distro,
            "autoChangeHealthCheckEnabled" => &mut self.auto_change_health_check,
            "disableAddIP" => &mut self.disable_add_ip,
            "sendBeatOnly" => &mut self.send_beat_only,
            _ => return None,
        };
        *flag = value.eq_ignore_ascii_case("true");
        name_of(entry)
    }

    fn set_number(&mut self, entry: &str, value: &str) -> Result<Option<&'static str>, SwitchRefusal> {
        match entry {
            "healthCheckTimes" => self.check_times = number(value)?,
            "clientBeatInterval" => {
                let too_small = format!("clientBeatInterval is too small(<{BEAT_INTERVAL_MS_MIN})");
                self.beat_interval_ms = at_least(number(value)?, BEAT_INTERVAL_MS_MIN, &too_small)?;
            }
            "pushCacheMillis" => {
                let too_small = "min cache time for http or tcp is too small(<10000)";
                if at_least(number(value)?, PUSH_CACHE_MS, too_small)? != PUSH_CACHE_MS {
                    let reason = "every list says 10000";
                    return Err(SwitchRefusal::NotServed { entry: "pushCacheMillis", reason });
                }
            }
            "defaultCacheMillis" => {
                let too_small = "min default cache time  is too small(<1000)";
                self.default_cache_ms = at_least(number(value)?, 1000, too_small)?;
            }
            "serviceStatusSynchronizationPeriodMillis" => {
                let too_small = "serviceStatusSynchronizationPeriodMillis is too small(<5000)";
                self.service_status_ms = at_least(number(value)?, 5000, too_small)?;
            }
            "serverStatusSynchronizationPeriodMillis" => {
                // The text says 15000; 1000 is what counts.
                let too_small = "serverStatusSynchronizationPeriodMillis is too small(<15000)";
                self.server_status_ms = at_least(number(value)?, 1000, too_small)?;
            }
            "distroServerExpiredMillis" => self.distro_server_expired_ms = number(value)?,
            "distroThreshold" => {
                let threshold: f32 = number(value)?;
                if !threshold.is_finite() || threshold <= 0.0 {
                    return Err(illegal(format!("distroThreshold can not be zero or negative: {threshold:?}")));
                }
                self.distro_threshold = threshold;
            }
            _ => return Ok(None),
        }
        Ok(name_of(entry))
    }

    /// `language:version`. Each language is kept by itself.
    fn set_push_version(&mut self, value: &str) -> Result<&'static str, SwitchRefusal> {
        const KEPT_AS: [&str; 5] =
            ["pushVersion:go", "pushVersion:java", "pushVersion:python", "pushVersion:c", "pushVersion:csharp"];
        let (language, version) =
            value.split_once(':').ok_or_else(|| illegal("illegal push version, must be type:version".to_owned()))?;
        let parts: Vec<&str> = version.split('.').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if parts.len() != 3 || !parts.iter().all(is_number) {
            return Err(illegal(r"illegal version, must match: [0-9]+\.[0-9]+\.[0-9]+".to_owned()));
        }
        let at = PUSH_LANGUAGES.iter().position(|known| *known == language);
        let at = at.ok_or_else(|| illegal(format!("unsupported client type: {language}")))?;
        self.push_versions[at] = version.into();
        Ok(KEPT_AS[at])
    }
}

/// Every entry that can be kept, so that what is kept is bounded.
const KEPT: [&str; 20] = [
    "check",
    "healthCheckTimes",
    "httpHealthParams",
    "tcpHealthParams",
    "mysqlHealthParams",
    "clientBeatInterval",
    "lightBeatEnabled",
    "pushEnabled",
    "defaultInstanceEphemeral",
    "distro",
    "masters",
    "pushCacheMillis",
    "defaultCacheMillis",
    "distroThreshold",
    "autoChangeHealthCheckEnabled",
    "serverStatusSynchronizationPeriodMillis",
    "serviceStatusSynchronizationPeriodMillis",
    "disableAddIP",
    "sendBeatOnly",
    "distroServerExpiredMillis",
];

fn name_of(entry: &str) -> Option<&'static str> {
    KEPT.into_iter().find(|kept| *kept == entry)
}

fn illegal(message: String) -> SwitchRefusal {
    SwitchRefusal::Illegal(message)
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, SwitchRefusal> {
    let shown = || value.chars().take(128).collect::<String>();
    value.parse().map_err(|_| illegal(format!("For input string: \"{}\"", shown())))
}

fn at_least(value: u64, min: u64, message: &str) -> Result<u64, SwitchRefusal> {
    if value < min { Err(illegal(message.to_owned())) } else { Ok(value) }
}

/// Bounds hold for all three; Nacos does not check those of MySQL, and would then check without a pause.
fn pace(value: &str) -> Result<Pace, SwitchRefusal> {
    let mut parts = value.split(',');
    let mut next = || parts.next().unwrap_or_default();
    let (max_ms, min_ms, factor) = (number(next())?, number(next())?, number(next())?);
    let pace = Pace { max_ms, min_ms, factor };
    if pace.min_ms < 500 {
        return Err(illegal("min check time for http or tcp is too small(<500)".to_owned()));
    }
    if pace.max_ms < 3000 {
        return Err(illegal("max check time for http or tcp is too small(<3000)".to_owned()));
    }
    if !(0.0..=1.0).contains(&pace.factor) {
        return Err(illegal("malformed factor".to_owned()));
    }
    Ok(pace)
}

/// `prefix:status` with commas between; an empty value changes nothing, as in Nacos.
fn limited_urls(value: &str) -> Result<(), SwitchRefusal> {
    if value.is_empty() {
        return Ok(());
    }
    let is_limit = |part: &str| {
        let status = part.split_once(':').and_then(|(_, status)| status.trim().parse::<u16>().ok());
        status.is_some_and(|status| status > 0)
    };
    if !value.split(',').all(is_limit) {
        return Err(illegal("invalid input for limited urls".to_owned()));
    }
    Err(SwitchRefusal::NotServed { entry: "limitedUrlMap", reason: "no path is closed by a switch" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(entry: &str, value: &str, message: &str) {
        let mut switches = Switches::default();
        assert_eq!(switches.set(entry, value).map_err(|refusal| refusal.to_string()), Err(message.to_owned()));
        assert_eq!(switches, Switches::default(), "a refused value changes nothing");
    }

    #[test]
    fn values_that_are_none_are_refused_in_the_words_of_nacos() {
        refused("distroThreshold", "0", "distroThreshold can not be zero or negative: 0.0");
        refused("distroThreshold", "inf", "distroThreshold can not be zero or negative: inf");
        refused("pushCacheMillis", "9999", "min cache time for http or tcp is too small(<10000)");
        refused("defaultCacheMillis", "999", "min default cache time  is too small(<1000)");
        refused("clientBeatInterval", "abc", "For input string: \"abc\"");
        refused("httpHealthParams", "5000,1,0.85", "min check time for http or tcp is too small(<500)");
        refused("tcpHealthParams", "5000,1000,2", "malformed factor");
        refused("mysqlHealthParams", "100,1000,0.5", "max check time for http or tcp is too small(<3000)");
        refused("pushVersion", "cobol:1.0.0", "unsupported client type: cobol");
        refused("pushVersion", "java:1", r"illegal version, must match: [0-9]+\.[0-9]+\.[0-9]+");
        refused("limitedUrlMap", "abc", "invalid input for limited urls");
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for (entry, value) in
            [("pushCacheMillis", "20000"), ("limitedUrlMap", "/nacos:503"), ("overriddenServerStatus", "DOWN")]
        {
            let refused = Switches::default().set(entry, value);
            assert!(matches!(refused, Err(SwitchRefusal::NotServed { entry: named, .. }) if named == entry), "{entry}");
        }
    }

    #[test]
    fn what_means_nothing_is_no_error_and_is_not_kept() {
        let mut switches = Switches::default();
        for (entry, value) in [
            ("noSuchEntry", "1"),
            ("enableStandalone", "false"),
            ("overriddenServerStatus", "null"),
            ("limitedUrlMap", ""),
            ("name", "x"),
        ] {
            assert_eq!(switches.set(entry, value), Ok(None), "{entry}");
        }
        assert_eq!(switches, Switches::default());
    }

    #[test]
    fn every_switch_that_is_kept_can_be_set_again_from_what_was_kept() {
        for entry in KEPT {
            let value = match entry {
                "httpHealthParams" | "tcpHealthParams" | "mysqlHealthParams" => "4000,600,0.5",
                "pushCacheMillis" | "defaultCacheMillis" => "10000",
                _ => "7000",
            };
            assert_eq!(Switches::default().set(entry, value), Ok(Some(entry)));
        }
        let mut switches = Switches::default();
        assert_eq!(switches.set("pushVersion", "java:2.6.0"), Ok(Some("pushVersion:java")));
        assert_eq!(&*switches.push_versions[1], "2.6.0");
        assert_eq!(switches.set("check", "off"), Ok(Some("check")));
        assert!(!switches.health_check);
    }
}
