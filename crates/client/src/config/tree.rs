//! Values as texts hold them: scalars, lists and groups, whatever the format. Read into types here, and laid over each other
//! where an application has several sources of settings.
//!
//! A text is no type: in Java properties and in variables of an environment everything is one, so that texts become
//! numbers and truth values where a type asks for these. What a format says to be a number stays one.

mod read;
mod write;

use std::collections::BTreeMap;
use std::fmt;

use super::format::Unfit;

/// Parts of one key. As deep as JSON may be nested here; every level costs some of the stack.
pub(crate) const DEPTH_MAX: usize = 128;

/// A value, a list or a group of them.
#[derive(Clone, PartialEq)]
pub(crate) enum Tree {
    /// A key that was given no value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A whole number below 0.
    Signed(i64),
    /// Any other number.
    Float(f64),
    /// A text, or anything of a format that knows texts alone.
    Text(String),
    /// Values by name.
    Group(BTreeMap<String, Tree>),
    /// Values by place; places may be left out, and count as not there.
    List(BTreeMap<usize, Tree>),
}

/// Shows what kind of value it is, and none: values may be secrets.
impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(fields) => f.debug_map().entries(fields).finish(),
            Self::List(items) => f.debug_map().entries(items).finish(),
            _ => f.write_str("_"),
        }
    }
}

enum Segment {
    Key(String),
    Index(usize),
}

/// The parts of `a.b[0].c`. What is no number in brackets stays in the key.
fn segments(key: &str) -> Vec<Segment> {
    let mut parts = Vec::new();
    for part in key.split('.') {
        let indexed = part.find('[').filter(|open| *open > 0 && part.ends_with(']'));
        let indexes: Option<Vec<usize>> = indexed
            .and_then(|open| part[open + 1..part.len() - 1].split("][").map(|index| index.parse().ok()).collect());
        match (indexed, indexes) {
            (Some(open), Some(indexes)) => {
                parts.push(Segment::Key(part[..open].to_owned()));
                parts.extend(indexes.into_iter().map(Segment::Index));
            }
            _ => parts.push(Segment::Key(part.to_owned())),
        }
    }
    parts
}

impl Tree {
    /// A group of nothing.
    pub(crate) const fn empty() -> Self {
        Self::Group(BTreeMap::new())
    }

    /// Puts a text at a path such as `a.b[0].c`.
    ///
    /// # Errors
    /// [`Unfit`] if something of another kind is on the way, or the path is too long.
    pub(crate) fn insert_at(&mut self, key: &str, value: String) -> Result<(), Unfit> {
        let path = segments(key);
        if path.len() > DEPTH_MAX {
            return Err(Unfit::new(format!("it is nested deeper than {DEPTH_MAX}")));
        }
        if self.insert(path.into_iter(), value) {
            return Ok(());
        }
        let why = "it is a value and a group of values at once".to_owned();
        Err(Unfit { key: Some(key.to_owned()), at: None, why })
    }

    /// Puts a text under a name. Of what is no group nothing is left.
    pub(crate) fn insert_key(&mut self, key: String, value: String) {
        if let Self::Group(fields) = self {
            fields.insert(key, Self::Text(value));
        }
    }

    /// Puts a text at a path. False if something of another kind is there.
    fn insert(&mut self, mut path: impl Iterator<Item = Segment>, value: String) -> bool {
        let mut at = self;
        let Some(mut segment) = path.next() else { return false };
        loop {
            let next = path.next();
            let empty = || match &next {
                None => Self::Text(String::new()),
                Some(Segment::Key(_)) => Self::empty(),
                Some(Segment::Index(_)) => Self::List(BTreeMap::new()),
            };
            at = match (at, segment) {
                (Self::Group(fields), Segment::Key(key)) => fields.entry(key).or_insert_with(empty),
                (Self::List(items), Segment::Index(index)) => items.entry(index).or_insert_with(empty),
                _ => return false,
            };
            match next {
                None => {
                    let fits = matches!(at, Self::Text(_));
                    if fits {
                        *at = Self::Text(value);
                    }
                    return fits;
                }
                Some(next) => segment = next,
            }
        }
    }
}

/// Several sources of settings.
#[cfg(any(test, feature = "import"))]
impl Tree {
    /// Lays another one over this one. Groups are merged name by name; anything else that the other one has replaces what
    /// is here, lists as a whole: half of a list from one source and half from another is what nobody wrote.
    pub(crate) fn overlay(&mut self, over: Self) {
        match (self, over) {
            (Self::Group(own), Self::Group(over)) => {
                for (key, value) in over {
                    match own.get_mut(&key) {
                        Some(below) => below.overlay(value),
                        None => drop(own.insert(key, value)),
                    }
                }
            }
            (own, over) => *own = over,
        }
    }

    /// The same values with the names spelled as `below` spells them, where it has a name that differs in case, hyphens
    /// and underscores alone: variables of an environment cannot be spelled otherwise.
    pub(crate) fn spelled_as(self, below: &Self) -> Self {
        let Self::Group(fields) = self else { return self };
        let Self::Group(known) = below else { return Self::Group(fields) };
        let respelled = fields.into_iter().map(|(key, value)| {
            let found = known.get_key_value(&key).or_else(|| known.iter().find(|(other, _)| same_name(other, &key)));
            match found {
                Some((spelled, below)) => (spelled.clone(), value.spelled_as(below)),
                None => (key, value),
            }
        });
        Self::Group(respelled.collect())
    }

    /// The value at a path of names.
    pub(crate) fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        path.into_iter().try_fold(self, |at, key| match at {
            Self::Group(fields) => fields.get(key),
            _ => None,
        })
    }
}

/// Whether two names differ in case, hyphens and underscores alone.
#[cfg(any(test, feature = "import"))]
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> Vec<char> {
        name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::format::Format;

    fn json(text: &str) -> Tree {
        Format::Json.tree(text).expect("it is JSON")
    }

    #[track_caller]
    fn check(below: &str, over: &str, merged: &str) {
        let mut tree = json(below);
        tree.overlay(json(over));
        assert!(tree == json(merged), "{below} under {over}");
    }

    #[test]
    fn groups_are_merged_and_everything_else_is_replaced() {
        check(r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"c":3,"d":4}}"#, r#"{"a":{"b":1,"c":3,"d":4}}"#);
        check(r#"{"a":[1,2,3]}"#, r#"{"a":[4]}"#, r#"{"a":[4]}"#);
        check(r#"{"a":{"b":1}}"#, r#"{"a":"x"}"#, r#"{"a":"x"}"#);
        check(r#"{"a":1}"#, r#"{"a":{"b":1}}"#, r#"{"a":{"b":1}}"#);
        check(r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":null}"#);
        check(r#"{"a":1}"#, "{}", r#"{"a":1}"#);
    }

    #[test]
    fn names_are_spelled_as_below() {
        let below = json(r#"{"maxSize":1,"a-b":{"c_d":1},"x":1,"X":2}"#);
        let over = json(r#"{"max_size":"2","a_b":{"cd":"3","new":"4"},"X":"5","other":"6"}"#);
        let respelled = over.spelled_as(&below);
        assert!(respelled == json(r#"{"maxSize":"2","a-b":{"c_d":"3","new":"4"},"X":"5","other":"6"}"#));
    }

    #[test]
    fn values_are_not_shown_by_accident() {
        assert_eq!(format!("{:?}", json(r#"{"password":"hunter2","list":[1]}"#)), r#"{"list": {0: _}, "password": _}"#);
    }

    #[test]
    fn values_are_found_by_their_path() {
        let tree = json(r#"{"a":{"b":1}}"#);
        assert!(tree.at(["a", "b"]) == Some(&Tree::Unsigned(1)));
        assert!(tree.at(["a", "c"]).is_none() && tree.at(["a", "b", "c"]).is_none());
    }
}
