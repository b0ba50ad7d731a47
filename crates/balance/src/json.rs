//! Reading JSON values one by one, so that an error names the place of the value that is wrong.
//!
//! Service configs and the settings of policies are read with it, those of users too. It decides no rule of its own but
//! those of the forms: what a duration or a whole number looks like. `null` is the same as nothing (gRFC A6).

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

/// A value that is not as it must be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}{problem}", prefix(.path))]
pub struct Invalid {
    /// Where it stands, such as `methodConfig[2].retryPolicy.maxAttempts`; empty for the document itself.
    pub path: String,
    /// What is wrong with it, such as `must be at least 2`.
    pub problem: String,
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

/// The longest duration that has a form in JSON: some ten thousand years, in seconds.
const DURATION_SECS_MAX: u64 = 315_576_000_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    /// The document itself.
    #[must_use]
    pub fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// The value itself.
    #[must_use]
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// An error about this value.
    #[must_use]
    pub fn wrong(&self, problem: impl Into<String>) -> Invalid {
        Invalid { path: self.path.clone(), problem: problem.into() }
    }

    /// What an object has under a name; `None` if nothing or `null`.
    ///
    /// # Errors
    /// This value is no object.
    pub fn get(&self, name: &str) -> Result<Option<Node<'a>>, Invalid> {
        let found = self.object()?.get(name).filter(|value| !value.is_null());
        Ok(found.map(|value| Node { value, path: self.path_of(name) }))
    }

    /// What an object must have under a name.
    ///
    /// # Errors
    /// This value is no object or has nothing under the name.
    pub fn need(&self, name: &str) -> Result<Node<'a>, Invalid> {
        let missing = || Invalid { path: self.path_of(name), problem: "is missing".to_owned() };
        self.get(name)?.ok_or_else(missing)
    }

    /// The name and the value of an object that has exactly one.
    ///
    /// # Errors
    /// This value is no object, or has none or several.
    pub fn only(&self) -> Result<(&'a str, Node<'a>), Invalid> {
        let mut fields = self.object()?.iter();
        match (fields.next(), fields.next()) {
            (Some((name, value)), None) => Ok((name, Node { value, path: self.path_of(name) })),
            _ => Err(self.wrong("must have exactly one field")),
        }
    }

    /// The values of a list.
    ///
    /// # Errors
    /// This value is no list.
    pub fn items(&self) -> Result<Vec<Node<'a>>, Invalid> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("must be a list"))?;
        let node = |(at, value)| Node { value, path: format!("{}[{at}]", self.path) };
        Ok(items.iter().enumerate().map(node).collect())
    }

    /// A text.
    ///
    /// # Errors
    /// This value is none.
    pub fn text(&self) -> Result<&'a str, Invalid> {
        self.value.as_str().ok_or_else(|| self.wrong("must be a text"))
    }

    /// A truth value.
    ///
    /// # Errors
    /// This value is none.
    pub fn truth(&self) -> Result<bool, Invalid> {
        self.value.as_bool().ok_or_else(|| self.wrong("must be true or false"))
    }

    /// A number.
    ///
    /// # Errors
    /// This value is none.
    pub fn number(&self) -> Result<f64, Invalid> {
        self.value.as_f64().filter(|number| number.is_finite()).ok_or_else(|| self.wrong("must be a number"))
    }

    /// A whole number within bounds. `5.0` is one: some writers know no other numbers.
    ///
    /// # Errors
    /// This value is none, or out of bounds.
    pub fn whole(&self, bounds: RangeInclusive<u64>) -> Result<u64, Invalid> {
        let (least, most) = (*bounds.start(), *bounds.end());
        let number = match (self.value.as_u64(), self.value.as_f64()) {
            (Some(number), _) => number,
            (None, Some(number)) if number.fract() == 0.0 => {
                if number < 0.0 {
                    return Err(self.wrong(format!("must be at least {least}")));
                } else {
                    number as u64
                }
            }
            _ => return Err(self.wrong("must be a whole number")),
        };
        match number {
            _ if number < least => Err(self.wrong(format!("must be at least {least}"))),
            _ if number > most => Err(self.wrong(format!("must be at most {most}"))),
            _ => Ok(number),
        }
    }

    /// A duration as JSON has it: seconds with up to nine decimals, and an `s`, such as `1.5s`. Not negative.
    ///
    /// # Errors
    /// This value is none.
    pub fn duration(&self) -> Result<Duration, Invalid> {
        parse_duration(self.text()?).ok_or_else(|| self.wrong("must be a duration such as \"1.5s\""))
    }

    /// The same, but more than nothing.
    ///
    /// # Errors
    /// This value is no duration, or 0.
    pub fn positive_duration(&self) -> Result<Duration, Invalid> {
        let duration = self.duration()?;
        if duration.is_zero() { Err(self.wrong("must be more than 0s")) } else { Ok(duration) }
    }

    fn object(&self) -> Result<&'a Map<String, Value>, Invalid> {
        self.value.as_object().ok_or_else(|| self.wrong("must be an object"))
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.strip_suffix('s')?;
    let (secs, decimals) = match number.split_once('.') {
        Some((secs, decimals)) if digits(decimals) && decimals.len() <= 9 => (secs, decimals),
        Some(_) => return None,
        None => (number, ""),
    };
    // The number must be one of JSON: `01` is none.
    if !digits(secs) || (secs.len() > 1 && secs.starts_with('0')) {
        return None;
    }
    let secs: u64 = secs.parse().ok().filter(|secs| *secs <= DURATION_SECS_MAX)?;
    let nanos: u32 = format!("{decimals:0<9}").parse().ok()?;
    Some(Duration::new(secs, nanos))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_have_one_form() {
        for (text, ms) in [("0s", 0), ("1s", 1_000), ("1.5s", 1_500), ("0.020s", 20), ("0.000s", 0), ("120s", 120_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse_duration("0.000000001s"), Some(Duration::from_nanos(1)));
        for text in
            ["", "s", "1", "1ms", "-1s", "+1s", "1.s", ".5s", "01s", "1e3s", "1.0000000001s", "1 s", "315576000001s"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_duration("99999999999999999999999999s"), None);
    }

    #[test]
    fn errors_name_the_place() {
        let document = json!({"a": [{"b": 1}, {"b": {"c": "x"}}], "n": null});
        let root = Node::root(&document);
        let items = root.need("a").and_then(|a| a.items()).expect("a list");
        let c = items[1].need("b").and_then(|b| b.need("c")).expect("a value");
        assert_eq!(c.whole(0..=9).expect_err("a text").to_string(), "a[1].b.c: must be a whole number");
        assert_eq!(items[0].need("c").map(drop).expect_err("nothing").to_string(), "a[0].c: is missing");
        assert_eq!(root.need("n").map(drop).expect_err("null").to_string(), "n: is missing");
        assert_eq!(root.items().map(drop).expect_err("an object").to_string(), "must be a list");
    }

    #[test]
    fn whole_numbers_have_bounds() {
        let is = |value: Value| Node::root(&value).whole(2..=10).map_err(|wrong| wrong.problem);
        assert_eq!(is(json!(5)), Ok(5));
        assert_eq!(is(json!(5.0)), Ok(5));
        for few in [json!(1), json!(-1), json!(-2.0), json!(i64::MIN)] {
            assert_eq!(is(few), Err("must be at least 2".to_owned()));
        }
        for many in [json!(11), json!(u64::MAX), json!(1e300)] {
            assert_eq!(is(many), Err("must be at most 10".to_owned()));
        }
        for none in [json!("5"), json!(2.5), json!([])] {
            assert_eq!(is(none), Err("must be a whole number".to_owned()));
        }
    }
}
