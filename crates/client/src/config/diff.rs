//! What changed between two versions of a config, key by key.

use std::collections::BTreeMap;
use std::fmt;

use super::format::{Format, Unfit};
use super::properties;
use super::tree::Tree;

/// How one key changed. `Debug` shows no values: they may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// It is new.
    Added(String),
    /// It is gone.
    Removed(String),
    /// It has another value.
    Changed {
        /// The value before.
        old: String,
        /// The value now.
        new: String,
    },
}

impl fmt::Debug for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added(_) => "Added",
            Self::Removed(_) => "Removed",
            Self::Changed { .. } => "Changed",
        })
    }
}

/// What changed from one content to another, by keys such as `pool.size` and `hosts[0]`; no content at all has no keys.
/// Order of keys, comments and white space do not count.
///
/// # Errors
/// [`Unfit`] if one of them is not in this format.
///
/// ```
/// use nacrite_client::config::{Format, KeyChange, diff};
///
/// let changes = diff(Format::Properties, Some("a=1\nb=2"), Some("b=3\nc=4"))?;
/// assert_eq!(changes["a"], KeyChange::Removed("1".into()));
/// assert_eq!(changes["b"], KeyChange::Changed { old: "2".into(), new: "3".into() });
/// assert_eq!(changes["c"], KeyChange::Added("4".into()));
/// # Ok::<_, nacrite_client::config::Unfit>(())
/// ```
pub fn diff(format: Format, old: Option<&str>, new: Option<&str>) -> Result<BTreeMap<String, KeyChange>, Unfit> {
    let mut before = flat(format, old)?;
    let after = flat(format, new)?;
    let mut changes = BTreeMap::new();
    for (key, new) in after {
        let change = match before.remove(&key) {
            Some(old) if old == new => continue,
            Some(old) => KeyChange::Changed { old: old.to_string(), new: new.to_string() },
            None => KeyChange::Added(new.to_string()),
        };
        changes.insert(key, change);
    }
    changes.extend(before.into_iter().map(|(key, old)| (key, KeyChange::Removed(old.to_string()))));
    Ok(changes)
}

fn flat(format: Format, content: Option<&str>) -> Result<BTreeMap<String, Tree>, Unfit> {
    let mut keys = BTreeMap::new();
    let Some(content) = content else {
        return Ok(keys);
    };
    match format {
        // These may be a value and a group of values at once, which is no tree.
        Format::Properties | Format::FlatProperties => {
            keys.extend(properties::parse(content)?.into_iter().map(|(key, value)| (key, Tree::Text(value))));
        }
        _ => flatten(String::new(), format.tree(content)?, &mut keys),
    }
    Ok(keys)
}

/// The scalars of a value, by their paths.
pub(crate) fn flatten(key: String, value: Tree, keys: &mut BTreeMap<String, Tree>) {
    match value {
        Tree::Group(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                flatten(key, value, keys);
            }
        }
        Tree::List(items) if !items.is_empty() => {
            for (index, value) in items {
                flatten(format!("{key}[{index}]"), value, keys);
            }
        }
        // A root without a key has nothing that could change by key, unless it is a scalar.
        Tree::Group(_) if key.is_empty() => {}
        leaf => drop(keys.insert(key, leaf)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: Format, old: &str, new: &str) -> Vec<String> {
        let changes = diff(format, Some(old), Some(new)).expect("both can be read");
        let shown = |change: &KeyChange| match change {
            KeyChange::Added(new) => format!("+{new}"),
            KeyChange::Removed(old) => format!("-{old}"),
            KeyChange::Changed { old, new } => format!("{old}>{new}"),
        };
        changes.iter().map(|(key, change)| format!("{key} {}", shown(change))).collect()
    }

    #[test]
    fn nested_keys_are_told_by_their_paths() {
        let old = r#"{"a":{"b":1,"c":[1,2]},"d":"x"}"#;
        let new = r#"{"d":"x","a":{"c":[1,3,4],"e":null}}"#;
        assert_eq!(shown(Format::Json, old, new), ["a.b -1", "a.c[1] 2>3", "a.c[2] +4", "a.e +null"]);
        assert!(shown(Format::Json, old, old).is_empty());
    }

    #[test]
    fn a_config_that_is_not_there_has_no_keys() {
        let changes = diff(Format::Properties, None, Some("a=1")).expect("it can be read");
        assert_eq!(changes["a"], KeyChange::Added("1".into()));
        assert!(diff(Format::Json, None, None).is_ok_and(|changes| changes.is_empty()));
    }

    #[test]
    fn values_are_not_shown_by_accident() {
        let changes = diff(Format::Properties, Some("a=secret"), Some("a=other")).expect("both can be read");
        assert_eq!(format!("{changes:?}"), r#"{"a": Changed}"#);
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn yaml_is_compared_by_meaning() {
        let old = "# old\na:\n  b: 1\nlist: [x, p]\n1: one\n";
        let new = "list:\n- x\n- z\na: {b: 1}\n";
        assert_eq!(shown(Format::Yaml, old, new), ["1 -one", "list[1] p>z"]);
        assert_eq!(shown(Format::Yaml, "# nothing\n", "a: 1"), ["a +1"]);
    }

    #[cfg(feature = "toml")]
    #[test]
    fn toml_is_compared_by_meaning() {
        assert_eq!(shown(Format::Toml, "[a]\nb = 1", "a.b = 2\n"), ["a.b 1>2"]);
    }
}
