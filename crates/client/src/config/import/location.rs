//! Where settings are imported from: `optional:nacos:orders.yaml?group=SHOP&refresh=true&preference=remote`, by Spring's
//! grammar.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::Optional;
use crate::config::name::ConfigName;
use crate::config::value::type_by_ending;
use crate::error::Error;

/// What settings that may be missing begin with.
const OPTIONAL: &str = "optional:";

/// What an import begins with.
const NACOS: &str = "nacos:";

/// Whose value counts where a local file and an imported config have the same key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// The local file's. Spring's default, and this crate's.
    #[default]
    Local,
    /// The imported config's.
    Remote,
}

impl FromStr for Preference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "local" => Ok(Self::Local),
            "remote" => Ok(Self::Remote),
            other => Err(Error::Invalid(format!("a preference is local or remote, not {other:?}"))),
        }
    }
}

/// A config that settings are imported from. Shown as it is written.
///
/// ```
/// use nacrite_client::config::import::Import;
///
/// let import: Import = "optional:nacos:orders.yaml?group=SHOP&refreshEnabled=false".parse()?;
/// assert_eq!((import.name().data_id(), import.name().group()), ("orders.yaml", "SHOP"));
/// assert!(import.is_optional());
/// # Ok::<_, nacrite_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    data_id: String,
    /// Already checked together with the data id.
    name: ConfigName,
    group: Option<String>,
    optional: Optional,
    pub(super) refresh: Option<bool>,
    pub(super) preference: Option<Preference>,
}

impl Import {
    /// A config that has to be readable, in `DEFAULT_GROUP` unless the layers have another one.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there can be no such config.
    pub fn new(data_id: &str) -> Result<Self, Error> {
        if data_id.contains('/') {
            return Err(Error::Invalid(format!("the data id {data_id:?} is more than one part of a path")));
        }
        let name = ConfigName::new(data_id).checked()?;
        let optional = Optional::Required;
        Ok(Self { data_id: data_id.to_owned(), name, group: None, optional, refresh: None, preference: None })
    }

    /// The same config in this group.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there can be no such group.
    pub fn in_group(mut self, group: &str) -> Result<Self, Error> {
        self.name = ConfigName::new(&*self.data_id).in_group(group).checked()?;
        self.group = Some(group.to_owned());
        Ok(self)
    }

    /// It may fail to be read, or be broken, and the program starts without it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = Optional::Optional;
        self
    }

    /// Whether changes are followed.
    #[must_use]
    pub fn refresh(mut self, follow: bool) -> Self {
        self.refresh = Some(follow);
        self
    }

    /// Whose value counts where a local file has the same key.
    #[must_use]
    pub fn preference(mut self, preference: Preference) -> Self {
        self.preference = Some(preference);
        self
    }

    /// Which config.
    #[must_use]
    pub fn name(&self) -> &ConfigName {
        &self.name
    }

    /// Whether the program starts without it.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.optional == Optional::Optional
    }

    /// The same with a group, if it has none of its own.
    pub(super) fn or_group(self, group: Option<&str>) -> Result<Self, Error> {
        match group {
            Some(group) if self.group.is_none() => self.in_group(group),
            _ => Ok(self),
        }
    }

    /// The same for a profile: `orders.yaml` becomes `orders-dev.yaml`, which need not be there.
    pub(super) fn of_profile(&self, profile: &str) -> Result<Self, Error> {
        let data_id = with_profile(&self.data_id, profile);
        let name = ConfigName::new(&*data_id).in_group(self.name.group()).checked()?;
        Ok(Self { data_id, name, optional: Optional::Optional, ..self.clone() })
    }

    fn set(self, parameter: &str, value: &str) -> Result<Self, Error> {
        match parameter {
            "group" => self.in_group(value),
            "refresh" | "refreshEnabled" | "refresh-enabled" => match value.to_ascii_lowercase().as_str() {
                "true" => Ok(self.refresh(true)),
                "false" => Ok(self.refresh(false)),
                _ => Err(Error::Invalid(format!("{parameter} is true or false, not {value:?}"))),
            },
            "preference" => Ok(self.preference(value.parse()?)),
            _ => Err(Error::Invalid(format!("there is no parameter {parameter:?}: group, refresh and preference are"))),
        }
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let (required, location) = without_optional(text);
        let location =
            location.strip_prefix(NACOS).ok_or_else(|| Error::Invalid(format!("it does not begin with {NACOS}")))?;
        let (path, query) = location.split_once('?').unwrap_or((location, ""));
        let mut import = Self::new(&decoded(path.strip_prefix('/').unwrap_or(path))?)?;
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (parameter, value) = pair.split_once('=').unwrap_or((pair, ""));
            if seen.contains(&parameter) {
                return Err(Error::Invalid(format!("{parameter} stands there twice")));
            }
            seen.push(parameter);
            import = import.set(parameter, &decoded(value)?)?;
        }
        Ok(Self { optional: required, ..import })
    }
}

impl FromStr for Import {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text.trim()).map_err(|error| Error::Invalid(format!("import {text:?}: {error}")))
    }
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = if self.is_optional() { OPTIONAL } else { "" };
        write!(f, "{optional}{NACOS}{}?group={}", self.name.data_id(), self.name.group())
    }
}

/// Whether a location may be missing, and the rest of it.
pub(super) fn without_optional(text: &str) -> (Optional, &str) {
    match text.strip_prefix(OPTIONAL) {
        Some(rest) => (Optional::Optional, rest),
        None => (Optional::Required, text),
    }
}

/// `orders.yaml` and the profile `dev` make `orders-dev.yaml`. Only an ending that is a format is one: the last part of
/// `com.shop.orders` belongs to the name.
pub(super) fn with_profile(name: &str, profile: &str) -> String {
    let is_format = type_by_ending(name) != nacrite_base::ConfigType::Text;
    match name.rsplit_once('.').filter(|_| is_format) {
        Some((stem, ending)) => format!("{stem}-{profile}.{ending}"),
        None => format!("{name}-{profile}"),
    }
}

fn decoded(text: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| Error::Invalid(format!("{text:?} is not UTF-8 when it is decoded")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(text: &str) -> Import {
        text.parse().expect("an import")
    }

    #[test]
    fn imports_are_read_as_spring_writes_them() {
        let plain = import("nacos:orders.yaml");
        assert_eq!((plain.name().data_id(), plain.name().group()), ("orders.yaml", "DEFAULT_GROUP"));
        assert_eq!((plain.is_optional(), plain.refresh, plain.preference), (false, None, None));
        let full = import("optional:nacos:orders.yaml?group=SHOP&refreshEnabled=true&preference=Remote");
        assert_eq!((full.name().group(), full.refresh), ("SHOP", Some(true)));
        assert_eq!((full.is_optional(), full.preference), (true, Some(Preference::Remote)));
        assert_eq!(full, import("optional:nacos:/orders.yaml?preference=remote&refresh=true&group=SHOP"));
        assert_eq!(import("nacos:a%2Eb?group=x%2Dy").to_string(), "nacos:a.b?group=x-y");
        assert_eq!(import(&full.to_string()).name(), full.name());
    }

    #[test]
    fn what_is_no_import_is_refused_with_the_reason() {
        for (bad, why) in [
            ("orders.yaml", "begin with nacos:"),
            ("nacos:", "data id"),
            ("nacos:a/b", "one part of a path"),
            ("nacos:a b", "data id"),
            ("nacos:a?grup=x", "no parameter \"grup\""),
            ("nacos:a?refresh=perhaps", "true or false"),
            ("nacos:a?preference=both", "local or remote"),
            ("nacos:a?group=x&group=y", "twice"),
            ("nacos:a?group=%ff", "UTF-8"),
            ("optional:optional:nacos:a", "begin with nacos:"),
        ] {
            let shown = bad.parse::<Import>().expect_err(bad).to_string();
            assert!(shown.contains(why) && shown.contains(bad), "{shown}");
        }
    }

    #[test]
    fn nothing_panics_and_what_is_read_is_read_again() {
        use rand::rngs::StdRng;
        use rand::{RngExt, SeedableRng};

        const PARTS: [&str; 16] = [
            "optional:",
            "nacos:",
            "/",
            "a",
            "orders.yaml",
            "?",
            "&",
            "=",
            "group",
            "refresh",
            "true",
            "preference",
            "remote",
            "%",
            "%2E",
            "配",
        ];
        let mut random = StdRng::seed_from_u64(11);
        let mut imports = 0;
        for _ in 0..20_000 {
            let tail: String =
                (0..random.random_range(0..8)).map(|_| PARTS[random.random_range(0..PARTS.len())]).collect();
            for text in [tail.clone(), format!("nacos:a{tail}"), format!("nacos:a?{tail}")] {
                let Ok(read) = text.parse::<Import>() else { continue };
                imports += 1;
                let again: Import = read.to_string().parse().expect(&text);
                assert_eq!((again.name(), again.is_optional()), (read.name(), read.is_optional()), "{text}");
            }
        }
        assert!(imports > 1_000, "{imports}");
    }

    #[test]
    fn a_profile_goes_before_the_ending_of_a_format() {
        for (name, made) in [
            ("orders.yaml", "orders-dev.yaml"),
            ("a.b.properties", "a.b-dev.properties"),
            ("orders", "orders-dev"),
            ("com.shop.orders", "com.shop.orders-dev"),
        ] {
            assert_eq!(with_profile(name, "dev"), made);
        }
        let profile = import("nacos:orders.yaml?group=G&refresh=false").of_profile("dev").expect("a good name");
        assert_eq!(profile.to_string(), "optional:nacos:orders-dev.yaml?group=G");
        assert_eq!(profile.refresh, Some(false));
    }

    #[test]
    fn a_default_group_is_for_those_without_one() {
        let group = |text: &str| import(text).or_group(Some("SHOP")).map(|import| import.name().group().to_owned());
        assert_eq!(group("nacos:a").ok().as_deref(), Some("SHOP"));
        assert_eq!(group("nacos:a?group=OWN").ok().as_deref(), Some("OWN"));
    }
}
