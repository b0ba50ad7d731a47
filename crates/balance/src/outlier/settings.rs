//! By what rules endpoints are ejected, and how a service config says so (gRFC A50).

use std::time::Duration;

use crate::json::{Invalid, Node};

/// Sweeps come no faster: each looks at all endpoints, and counts of a shorter time say little.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// By what rules endpoints are ejected.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierSettings {
    /// The time between sweeps.
    pub interval: Duration,
    /// The length of a first ejection; the second is twice as long, and so on.
    pub ejection_base: Duration,
    /// No ejection is longer, unless the first is.
    pub ejection_max: Duration,
    /// While so many percent are ejected, no other is.
    pub ejected_percent_max: u8,
    /// Ejects whose calls succeed far less often than those of the others.
    pub success_rate: Option<SuccessRate>,
    /// Ejects whose calls fail too often.
    pub failure_percentage: Option<FailurePercentage>,
    /// Ejects at once whose calls fail so often in a row.
    pub failures_in_a_row: Option<u32>,
}

/// Compares success rates of endpoints with each other.
#[derive(Clone, Debug, PartialEq)]
pub struct SuccessRate {
    /// So many thousandths of the standard deviation below the mean is too low.
    pub stdev_factor: u32,
    /// The chance in percent that what is too low is ejected.
    pub enforcement_percent: u8,
    /// With fewer endpoints that have enough calls, nobody is compared.
    pub hosts_min: u32,
    /// Endpoints with fewer calls since the last sweep are left out.
    pub calls_min: u32,
}

/// Compares failures of each endpoint with a bound.
#[derive(Clone, Debug, PartialEq)]
pub struct FailurePercentage {
    /// More failures than this, in percent, are too many.
    pub threshold_percent: u8,
    /// The chance in percent that who has too many is ejected.
    pub enforcement_percent: u8,
    /// With fewer endpoints that have enough calls, nobody is looked at.
    pub hosts_min: u32,
    /// Endpoints with fewer calls since the last sweep are left out.
    pub calls_min: u32,
}

impl Default for OutlierSettings {
    /// What callers do that say nothing else: five failures in a row eject, for 5 s at first, because a restart takes seconds
    /// and whoever comes back fails only one call if it is not well. Half stay, however many fail: then it is not they.
    fn default() -> Self {
        Self {
            ejection_base: Duration::from_secs(5),
            ejected_percent_max: 50,
            failures_in_a_row: Some(5),
            ..Self::none()
        }
    }
}

impl OutlierSettings {
    /// Nobody is ejected. What else stands here are the defaults of gRFC A50.
    #[must_use]
    pub fn none() -> Self {
        Self {
            interval: Duration::from_secs(10),
            ejection_base: Duration::from_secs(30),
            ejection_max: Duration::from_secs(300),
            ejected_percent_max: 10,
            success_rate: None,
            failure_percentage: None,
            failures_in_a_row: None,
        }
    }

    /// Whether anybody may ever be ejected.
    #[must_use]
    pub fn ejects(&self) -> bool {
        self.sweeps() || self.failures_in_a_row.is_some()
    }

    /// Whether there are rules for sweeps.
    pub(super) fn sweeps(&self) -> bool {
        self.success_rate.is_some() || self.failure_percentage.is_some()
    }

    /// Reads the settings of gRFC A50. `consecutiveFailures` is a field of our own: 1 and above.
    ///
    /// # Errors
    /// A field is not as it must be.
    pub fn read(config: &Node<'_>) -> Result<Self, Invalid> {
        let defaults = Self::none();
        let duration =
            |name, default| Ok(config.get(name)?.map(|node| node.duration()).transpose()?.unwrap_or(default));
        let in_a_row =
            config.get("consecutiveFailures")?.map(|node| node.whole(1..=u64::from(u32::MAX - 1))).transpose()?;
        Ok(Self {
            interval: duration("interval", defaults.interval)?.max(INTERVAL_MIN),
            ejection_base: duration("baseEjectionTime", defaults.ejection_base)?,
            ejection_max: duration("maxEjectionTime", defaults.ejection_max)?,
            ejected_percent_max: percent(config, "maxEjectionPercent", defaults.ejected_percent_max)?,
            success_rate: config.get("successRateEjection")?.map(|node| success_rate(&node)).transpose()?,
            failure_percentage: config.get("failurePercentageEjection")?.map(|node| failures(&node)).transpose()?,
            failures_in_a_row: in_a_row.map(|count| u32::try_from(count).unwrap_or(u32::MAX - 1)),
        })
    }
}

fn success_rate(node: &Node<'_>) -> Result<SuccessRate, Invalid> {
    Ok(SuccessRate {
        stdev_factor: count(node, "stdevFactor", 1_900)?,
        enforcement_percent: percent(node, "enforcementPercentage", 100)?,
        hosts_min: count(node, "minimumHosts", 5)?,
        calls_min: count(node, "requestVolume", 100)?,
    })
}

fn failures(node: &Node<'_>) -> Result<FailurePercentage, Invalid> {
    Ok(FailurePercentage {
        threshold_percent: percent(node, "threshold", 85)?,
        enforcement_percent: percent(node, "enforcementPercentage", 100)?,
        hosts_min: count(node, "minimumHosts", 5)?,
        calls_min: count(node, "requestVolume", 50)?,
    })
}

fn percent(node: &Node<'_>, name: &str, default: u8) -> Result<u8, Invalid> {
    let percent = node.get(name)?.map(|node| node.whole(0..=100)).transpose()?;
    Ok(percent.and_then(|percent| u8::try_from(percent).ok()).unwrap_or(default))
}

fn count(node: &Node<'_>, name: &str, default: u32) -> Result<u32, Invalid> {
    let count = node.get(name)?.map(|node| node.whole(0..=u64::from(u32::MAX))).transpose()?;
    Ok(count.and_then(|count| u32::try_from(count).ok()).unwrap_or(default))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(config: &Value) -> Result<OutlierSettings, String> {
        OutlierSettings::read(&Node::root(config)).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn defaults_are_those_of_a50() {
        let config = json!({"successRateEjection": {}, "failurePercentageEjection": {}});
        let success_rate = SuccessRate { stdev_factor: 1_900, enforcement_percent: 100, hosts_min: 5, calls_min: 100 };
        let failures =
            FailurePercentage { threshold_percent: 85, enforcement_percent: 100, hosts_min: 5, calls_min: 50 };
        let expected = OutlierSettings {
            interval: Duration::from_secs(10),
            ejection_base: Duration::from_secs(30),
            ejection_max: Duration::from_secs(300),
            ejected_percent_max: 10,
            success_rate: Some(success_rate),
            failure_percentage: Some(failures),
            failures_in_a_row: None,
        };
        assert_eq!(read(&config), Ok(expected));
        assert!(!read(&json!({})).expect("it is right").ejects());
    }

    #[test]
    fn settings_have_bounds() {
        let percents = ["maxEjectionPercent"].map(|name| (json!({name: 101}), name.to_owned()));
        let inner = [("successRateEjection", "enforcementPercentage"), ("failurePercentageEjection", "threshold")]
            .map(|(outer, name)| (json!({outer: {name: 101}}), format!("{outer}.{name}")));
        for (config, path) in percents.into_iter().chain(inner) {
            assert_eq!(read(&config), Err(format!("{path}: must be at most 100")));
        }
        for name in ["interval", "baseEjectionTime", "maxEjectionTime"] {
            let wrong = read(&json!({name: "-1s"})).expect_err("it is negative");
            assert!(wrong.starts_with(name), "{wrong}");
        }
        assert!(read(&json!({"consecutiveFailures": 0})).is_err());
        assert_eq!(read(&json!({"interval": "0s"})).map(|settings| settings.interval), Ok(INTERVAL_MIN));
    }
}
