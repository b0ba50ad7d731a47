//! Labels by which servers pick who gets a gray release, as they go into the introduction of a connection.

use std::collections::BTreeMap;

use crate::error::Error;

/// What marks a label of the program on the wire.
const PREFIX: &str = "app_";

/// Where the environment has labels, as for the Java client, with underscores for dots.
const LABELS_VARIABLE: &str = "nacos_app_conn_labels";

/// Where it has the label that the standard rule for gray releases looks at.
const GRAY_VARIABLE: &str = "nacos_config_gray_label";

/// The label that the standard rule for gray releases looks at.
const GRAY: &str = "nacos.config.gray.label";

/// Characters of a value, as in the Java client.
const VALUE_LEN_MAX: usize = 128;

/// Labels of a client.
///
/// ```
/// use nacrite_client::config::AppLabels;
///
/// let labels = AppLabels::parse("zone=a,tier=web")?.gray("canary")?;
/// let labels = labels.or(AppLabels::from_env()?);
/// # Ok::<_, nacrite_client::Error>(())
/// ```
// Bounded by the number of those who write them: programs and their environments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppLabels(BTreeMap<String, String>);

impl AppLabels {
    /// Reads `key=value,key=value`, as in Nacos's `nacos.app.conn.labels`. Blank parts are passed over; of a key that is
    /// given twice the first counts.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a part without `=`, and as [`Self::with`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut labels = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) =
                part.split_once('=').ok_or_else(|| Error::Invalid(format!("label {part:?} has no value")))?;
            let (key, value) = (key.trim(), value.trim());
            if !labels.0.contains_key(key) {
                labels = labels.with(key, value)?;
            }
        }
        Ok(labels)
    }

    /// One label more, or another value of one that is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty key, or one or a value with other characters than letters, digits and `_-.`, or of
    /// more than 128.
    pub fn with(mut self, key: &str, value: &str) -> Result<Self, Error> {
        let is_legal = |text: &str| {
            (1..=VALUE_LEN_MAX).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        };
        if !is_legal(key) || !is_legal(value) {
            return Err(Error::Invalid(format!(
                "label {key:?}={value:?}: keys and values are 1 to {VALUE_LEN_MAX} letters, digits and _-."
            )));
        }
        self.0.insert(key.to_owned(), value.to_owned());
        Ok(self)
    }

    /// The label that the standard rule for gray releases looks at (`nacos.config.gray.label`).
    ///
    /// # Errors
    /// As [`Self::with`].
    pub fn gray(self, value: &str) -> Result<Self, Error> {
        self.with(GRAY, value)
    }

    /// The labels of the environment: `nacos_app_conn_labels` and `nacos_config_gray_label`. No labels if they are not set.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let labels = Self::parse(&variable(LABELS_VARIABLE).unwrap_or_default())?;
        match variable(GRAY_VARIABLE).filter(|value| !value.trim().is_empty()) {
            Some(value) if !labels.0.contains_key(GRAY) => labels.gray(value.trim()),
            _ => Ok(labels),
        }
    }

    /// These labels, and those of `others` whose keys are not among them.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        for (key, value) in others.0 {
            self.0.entry(key).or_insert(value);
        }
        self
    }

    /// The labels as they go onto the wire.
    pub(crate) fn on_wire(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_wire(text: &str) -> Result<Vec<(String, String)>, Error> {
        Ok(AppLabels::parse(text)?.on_wire().collect())
    }

    #[test]
    fn labels_are_marked_on_the_wire() {
        let labels = on_wire(" zone = a , ,tier=web,zone=b").expect("well written");
        assert_eq!(labels, [("app_tier".into(), "web".into()), ("app_zone".into(), "a".into())]);
        let gray = AppLabels::default().gray("canary").expect("well written");
        assert_eq!(gray.on_wire().collect::<Vec<_>>(), [("app_nacos.config.gray.label".into(), "canary".into())]);
        assert!(on_wire("").is_ok_and(|labels| labels.is_empty()));
    }

    #[test]
    fn the_environment_has_labels_too_and_those_of_the_program_come_first() {
        let of = |labels: &'static str, gray: &'static str| {
            AppLabels::from_variables(|name| match name {
                LABELS_VARIABLE => Some(labels.to_owned()),
                _ => Some(gray.to_owned()),
            })
        };
        let labels = of("zone=a", " canary ").expect("well written");
        assert_eq!(labels, AppLabels::parse("zone=a,nacos.config.gray.label=canary").expect("well written"));
        assert_eq!(
            of("nacos.config.gray.label=x", "y").expect("well written"),
            AppLabels::default().gray("x").expect("x")
        );
        let both = AppLabels::parse("zone=b").expect("well written").or(labels);
        assert_eq!(both, AppLabels::parse("zone=b,nacos.config.gray.label=canary").expect("well written"));
        assert!(AppLabels::from_variables(|_| None).is_ok_and(|labels| labels == AppLabels::default()));
        assert!(of("zone", "").is_err());
    }

    #[test]
    fn what_servers_would_not_take_is_refused() {
        for bad in ["a", "=b", "a=", "a=b c", "a=中", &format!("a={}", "x".repeat(129))] {
            assert!(matches!(on_wire(bad), Err(Error::Invalid(_))), "{bad}");
        }
        assert!(on_wire(&format!("a={}", "x".repeat(128))).is_ok());
    }
}
