//! The parameters of a request, wherever they came from, and how their values are read.
//!
//! Nacos reads values in two ways: its own helper in v1 trims them and takes a blank one for absent, the binding of
//! forms in v2 and v3 takes them as they are (`reference/http.md`, 1.3). Decoding is the edge's business; here
//! everything is text already.

use std::borrow::Cow;

use nacrite_base::Fault;
use smallvec::SmallVec;

use super::refusal::Refusal;

/// Names and values in the order in which they count: the query comes before the form. The first of several values of
/// a name is the one that is read.
#[derive(Clone, Debug, Default)]
pub struct Params<'a>(SmallVec<[(Cow<'a, str>, Cow<'a, str>); 8]>);

impl<'a> Params<'a> {
    /// Adds a parameter behind those that are there.
    pub fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        self.0.push((name, value));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value as it was sent, blank or not.
    #[must_use]
    pub fn sent(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The value without white space around it; a blank one counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.sent(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The value of the first of these names that has one.
    #[must_use]
    pub fn first_of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// A value that must be there and not be blank.
    ///
    /// # Errors
    /// [`Fault::ParamMissing`].
    pub fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        Ok(self.get(name).ok_or(Fault::ParamMissing { name })?)
    }

    /// A value that the framework binds: it must be there, but may be blank.
    ///
    /// # Errors
    /// [`Refusal::NotBound`].
    pub fn bound(&self, name: &'static str) -> Result<&str, Refusal> {
        self.sent(name).ok_or(Refusal::NotBound { name })
    }

    /// Whether the value says true; everything else, also nothing, is false.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A flag of a v1 registration: `y`, `yes`, `on`, `true` and `t` mean true, everything else means false. `None` if
    /// it is absent.
    #[must_use]
    pub fn flag(&self, names: &[&str]) -> Option<bool> {
        let said = self.first_of(names)?;
        let yes = ["y", "yes", "on", "true", "t"];
        Some(yes.iter().any(|word| said.eq_ignore_ascii_case(word)))
    }

    /// A flag of a v2 or v3 form. `None` if it is absent or blank.
    ///
    /// # Errors
    /// [`Refusal::Unbindable`] for a word that is neither true nor false.
    pub fn form_flag(&self, name: &'static str) -> Result<Option<bool>, Refusal> {
        let Some(said) = self.get(name) else { return Ok(None) };
        let is = |words: &[&str]| words.iter().any(|word| said.eq_ignore_ascii_case(word));
        if is(&["true", "on", "yes", "1"]) {
            return Ok(Some(true));
        }
        if is(&["false", "off", "no", "0"]) {
            return Ok(Some(false));
        }
        Err(Refusal::unbindable(name, said))
    }

    /// A number of a v2 or v3 form. `None` if it is absent or blank.
    ///
    /// # Errors
    /// [`Refusal::Unbindable`] for anything else than a number of that kind.
    pub fn form_number<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, Refusal> {
        let Some(said) = self.get(name) else { return Ok(None) };
        said.parse().map(Some).map_err(|_| Refusal::unbindable(name, said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn params<'a>(pairs: &[(&'a str, &'a str)]) -> Params<'a> {
        let mut params = Params::default();
        for (name, value) in pairs {
            params.push((*name).into(), (*value).into());
        }
        params
    }

    #[test]
    fn the_first_value_counts_and_a_blank_one_is_absent() {
        let params = params(&[("a", "1"), ("a", "2"), ("b", " "), ("c", " x ")]);
        assert_eq!(params.get("a"), Some("1"));
        assert_eq!((params.get("b"), params.sent("b")), (None, Some(" ")));
        assert_eq!(params.get("c"), Some("x"));
        assert_eq!(params.first_of(&["b", "c"]), Some("x"));
        assert!(params.required("b").is_err() && params.bound("b").is_ok() && params.bound("d").is_err());
    }

    #[test]
    fn generations_read_flags_differently() {
        let params = params(&[("t", "T"), ("one", "1"), ("odd", "maybe"), ("no", "OFF")]);
        assert_eq!(params.flag(&["t"]), Some(true));
        assert_eq!((params.flag(&["one"]), params.flag(&["none"])), (Some(false), None));
        assert!(matches!(params.form_flag("one"), Ok(Some(true))));
        assert!(matches!(params.form_flag("no"), Ok(Some(false))));
        assert!(matches!(params.form_flag("odd"), Err(Refusal::Unbindable { .. })));
        assert!(!params.is_true("one") && !params.is_true("t"));
    }

    #[test]
    fn numbers_of_forms_must_be_numbers() {
        let params = params(&[("n", "7"), ("x", "x"), ("big", "99999999999999999999")]);
        assert!(matches!(params.form_number::<i64>("n"), Ok(Some(7))));
        assert!(params.form_number::<i64>("x").is_err() && params.form_number::<i64>("big").is_err());
    }
}
