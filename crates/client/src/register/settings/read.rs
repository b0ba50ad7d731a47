//! Reads settings by their names: from TOML, from variables of the environment, one by one.
//!
//! Names are compared as Spring compares them: letters and digits count, their case does not, nor what stands between. Under
//! our own prefix a name that means nothing is a mistake, and refused with the nearest that does; under Spring's it is
//! noted, because Java's client takes names there that nobody here knows.

use super::RegisterSettings;
use super::names::{Effect, Setting, settings};
use crate::error::Error;

/// The prefix of our own names.
const OWN: &str = "nacos.discovery.";

/// The prefix of the starters' names.
const SPRING: &str = "spring.cloud.nacos.discovery.";

/// What stands before the keys of metadata, behind a prefix.
const METADATA: &str = "metadata.";

/// Why a name of the starters that is in no table has no effect.
const UNKNOWN: &str = "no such setting here; Java's client takes any name";

/// What a whole name means.
enum Meaning {
    /// A setting.
    Setting(&'static Setting),
    /// A key of metadata.
    Metadata(String),
    /// Nothing, under our own prefix: without it.
    Mistake(String),
    /// Nothing, under the prefix of the starters.
    Unknown,
    /// It is not about registration.
    Foreign,
}

/// Reads the tables of a TOML file that are about registration.
pub(super) fn toml(into: &mut RegisterSettings, text: &str) -> Result<(), Error> {
    let invalid = |error: toml::de::Error| Error::Invalid(format!("the settings are no TOML: {error}"));
    let table: toml::Table = text.parse().map_err(invalid)?;
    let mut flat = Vec::new();
    flatten("", &toml::Value::Table(table), &mut flat);
    for (name, value) in flat {
        let meaning = meaning(&name, '.');
        apply(into, &name, &value, meaning)?;
    }
    Ok(())
}

/// Reads variables of the environment.
pub(super) fn variables(
    into: &mut RegisterSettings,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(), Error> {
    // In an order that does not depend on the environment's.
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort();
    for (name, value) in variables {
        let separator = if name.contains('.') { '.' } else { '_' };
        let meaning = meaning(&name, separator);
        apply(into, &name, &value, meaning)?;
    }
    Ok(())
}

/// Reads one value; its name need have no prefix.
pub(super) fn property(into: &mut RegisterSettings, name: &str, value: &str) -> Result<(), Error> {
    let found = match meaning(name, '.') {
        Meaning::Foreign => meaning(&format!("{OWN}{name}"), '.'),
        found => found,
    };
    apply(into, name, value, found)
}

fn apply(into: &mut RegisterSettings, name: &str, value: &str, meaning: Meaning) -> Result<(), Error> {
    match meaning {
        Meaning::Setting(Setting { effect: Effect::Sets(set), .. }) => {
            set(into, value).map_err(|what| Error::Invalid(format!("{name}: {what}")))?;
        }
        Meaning::Setting(Setting { effect: Effect::Nothing(why), .. }) => into.ignored.push((name.to_owned(), why)),
        Meaning::Metadata(key) => drop(into.metadata.insert(key, value.to_owned())),
        Meaning::Mistake(rest) => {
            let nearest = nearest(&rest).map(|near| format!("; is {near} meant?")).unwrap_or_default();
            return Err(Error::Invalid(format!("there is no setting {name}{nearest}")));
        }
        Meaning::Unknown => into.ignored.push((name.to_owned(), UNKNOWN)),
        Meaning::Foreign => {}
    }
    Ok(())
}

/// What a name means whose parts are separated so.
fn meaning(name: &str, separator: char) -> Meaning {
    let known = plain(name);
    let whole = |setting: &&Setting| {
        let full = setting.name.starts_with("spring.").then_some(setting.name);
        full.iter().chain(setting.also).any(|other| plain(other) == known)
    };
    if let Some(setting) = settings().iter().find(whole) {
        return Meaning::Setting(setting);
    }
    let below = |prefix| below(name, prefix, separator);
    let Some((rest, is_own)) = below(SPRING).map(|rest| (rest, false)).or_else(|| below(OWN).map(|rest| (rest, true)))
    else {
        return Meaning::Foreign;
    };
    if let Some(key) = self::below(rest, METADATA, separator).filter(|key| !key.is_empty()) {
        // In the environment names are in capitals and dots are not possible: read as Spring reads them.
        return Meaning::Metadata(if separator == '_' { key.to_lowercase().replace('_', ".") } else { key.to_owned() });
    }
    let rest_plain = plain(rest);
    let of_prefix = |setting: &&Setting| {
        let short = setting.also.iter().filter(|other| !other.contains('.'));
        short.chain([&setting.name]).any(|name| plain(name) == rest_plain)
    };
    match settings().iter().find(of_prefix) {
        Some(setting) => Meaning::Setting(setting),
        None if is_own => Meaning::Mistake(rest.to_owned()),
        None => Meaning::Unknown,
    }
}

/// What stands behind a prefix, if the name begins with it.
fn below<'a>(name: &'a str, prefix: &str, separator: char) -> Option<&'a str> {
    let mut rest = name;
    for part in prefix.trim_end_matches('.').split('.') {
        let (head, tail) = rest.split_once(separator)?;
        if plain(head) != plain(part) {
            return None;
        }
        rest = tail;
    }
    Some(rest)
}

/// Letters and digits alone, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn nearest(name: &str) -> Option<&'static str> {
    let name = plain(name);
    let ours = settings().iter().filter(|setting| !setting.name.starts_with("spring."));
    let mut near: Vec<_> =
        ours.map(|setting| (strsim::damerau_levenshtein(&plain(setting.name), &name), setting.name)).collect();
    near.sort_unstable();
    // One letter in three may be wrong; beyond that it is a guess.
    near.first().filter(|(distance, name)| *distance * 3 <= name.len()).map(|(_, name)| *name)
}

/// All values with their whole names: tables become dots, lists become commas.
fn flatten(name: &str, value: &toml::Value, into: &mut Vec<(String, String)>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(&name, value, into);
            }
        }
        toml::Value::Array(list) => {
            let texts: Vec<_> = list.iter().map(text_of).collect();
            into.push((name.to_owned(), texts.join(",")));
        }
        value => into.push((name.to_owned(), text_of(value))),
    }
}

fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}
