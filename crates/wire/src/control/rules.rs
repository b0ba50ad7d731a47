//! The rules of Nacos's control plugin as JSON: how many connections there may be, and how often something may be asked
//! (`reference/semantics.md`, 1.6).
//!
//! Two generations of files are read: the newer one, which knows a total and traced addresses, and the one before 2.3, which
//! also had numbers per address and per application, and rules for single keys. Fields that are not known are passed over,
//! as in Nacos; a value that cannot be is an error that names it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What cannot be in a rule, and where it stands.
pub use serde_json::Error as RuleError;

/// How many connections there may be. Negative numbers are without a limit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LimitRule {
    /// In all.
    pub count_limit: i64,
    /// From each address; 0 is without a limit, too.
    pub count_limit_per_client_ip_default: i64,
    /// From certain addresses.
    pub count_limit_per_client_ip: BTreeMap<String, i64>,
    /// From each address, by programs of certain applications.
    pub count_limit_per_client_app: BTreeMap<String, i64>,
    /// Addresses that are traced.
    pub monitor_ip_list: Vec<String>,
    /// What happens above a limit; Nacos refuses.
    pub monitor_type: MonitorType,
}

impl Default for LimitRule {
    fn default() -> Self {
        Self {
            count_limit: -1,
            count_limit_per_client_ip_default: -1,
            count_limit_per_client_ip: BTreeMap::new(),
            count_limit_per_client_app: BTreeMap::new(),
            monitor_ip_list: Vec::new(),
            monitor_type: MonitorType::Intercept,
        }
    }
}

/// What happens above a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MonitorType {
    /// It is counted. What a rule of a point means that does not say; the empty text says nothing.
    #[default]
    #[serde(alias = "")]
    Monitor,
    /// It is refused.
    Intercept,
}

/// How long counting goes on before it begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Period {
    /// A second.
    #[default]
    Seconds,
    /// A minute.
    Minutes,
    /// An hour.
    Hours,
}

/// Whether the keys that fit a pattern are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Model {
    /// They are.
    #[default]
    #[serde(rename = "FUZZY", alias = "fuzzy")]
    Fuzzy,
    /// Each by itself.
    #[serde(rename = "PROTO", alias = "proto")]
    Proto,
}

/// A number per period.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Detail {
    /// Negative is without a limit.
    pub max_count: i64,
    /// Per what.
    pub period: Period,
    /// What happens above.
    pub monitor_type: MonitorType,
    /// In a rule for keys: how they are counted.
    pub model: Model,
    /// In a rule for keys: which, `clientIp:10.0.*`; if it is absent, the name of the rule says so.
    pub pattern: Option<String>,
}

impl Default for Detail {
    fn default() -> Self {
        Self {
            max_count: -1,
            period: Period::Seconds,
            monitor_type: MonitorType::Monitor,
            model: Model::Fuzzy,
            pattern: None,
        }
    }
}

/// The rule of one point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PointRule {
    /// Its name, that of the file.
    pub point_name: Option<String>,
    /// For all requests together.
    pub point_rule: Option<Detail>,
    /// For those of some keys.
    pub monitor_key_rule: Option<BTreeMap<String, Detail>>,
}

/// Reads a rule about connections.
///
/// # Errors
/// What cannot be, and where it stands.
pub fn limit_rule(text: &[u8]) -> Result<LimitRule, RuleError> {
    object(text)
}

/// Reads the rule of a point.
///
/// # Errors
/// What cannot be, and where it stands.
pub fn point_rule(text: &[u8]) -> Result<PointRule, RuleError> {
    object(text)
}

/// Lists would be taken for objects whose names were left out.
fn object<'t, T: Deserialize<'t>>(text: &'t [u8]) -> Result<T, RuleError> {
    if !text.trim_ascii_start().starts_with(b"{") {
        return Err(serde::de::Error::custom("a rule is an object"));
    }
    serde_json::from_slice(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_of_rules_are_read() {
        let newer = limit_rule(br#"{"countLimit":100,"monitorIpList":["10.0.0.1"],"later":1}"#).expect("a rule");
        assert_eq!(
            (newer.count_limit, newer.monitor_ip_list.len(), newer.monitor_type),
            (100, 1, MonitorType::Intercept)
        );
        let older =
            br#"{"countLimitPerClientIpDefault":5,"countLimitPerClientIp":{"10.0.0.1":9},"monitorType":"monitor"}"#;
        let older = limit_rule(older).expect("a rule");
        assert_eq!((older.count_limit, older.count_limit_per_client_ip["10.0.0.1"]), (-1, 9));
        assert_eq!(older.monitor_type, MonitorType::Monitor);
        let point = point_rule(
            br#"{"pointName":"ConfigQuery",
                 "pointRule":{"ruleName":"x","maxCount":10,"period":"MINUTES","monitorType":"intercept"},
                 "monitorKeyRule":{"clientIp:*":{"maxCount":3,"model":"PROTO"}}}"#,
        )
        .expect("a rule");
        let detail = point.point_rule.expect("for all");
        assert_eq!(
            (detail.max_count, detail.period, detail.monitor_type),
            (10, Period::Minutes, MonitorType::Intercept)
        );
        assert_eq!(point.monitor_key_rule.expect("for keys")["clientIp:*"].model, Model::Proto);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let wrong = limit_rule(br#"{"countLimit":"many"}"#).expect_err("no number").to_string();
        assert!(wrong.contains("many"), "{wrong}");
        let wrong = point_rule(br#"{"pointRule":{"monitorType":"refuse"}}"#).expect_err("no such word").to_string();
        assert!(wrong.contains("refuse") && wrong.contains("line 1"), "{wrong}");
        for broken in [&b""[..], b"[]", b"{", b"7"] {
            assert!(limit_rule(broken).is_err(), "{broken:?}");
        }
    }
}
