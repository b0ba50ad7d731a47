//! Makes a tree of what a format holds, and of values of the program.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Tree;

/// Under this name alone the crate `toml` gives a date or time, which is a text to everybody else.
const TOML_TIME: &str = "$__toml_private_datetime";

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(u64::try_from(value).map_or(Tree::Signed(value), Tree::Unsigned))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = BTreeMap::new();
        while let Some(item) = items.next_element()? {
            list.insert(list.len(), item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut fields = BTreeMap::<String, Tree>::new();
        while let Some((key, value)) = entries.next_entry()? {
            fields.insert(key, value);
        }
        if let (1, Some(time @ Tree::Text(_))) = (fields.len(), fields.get(TOML_TIME)) {
            return Ok(time.clone());
        }
        Ok(Tree::Group(fields))
    }
}

impl fmt::Display for Tree {
    /// A scalar as a text; groups and lists, where they are empty, as JSON has them. Shows values: for comparing only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            // The shape with a point: 1.0 is another text than 1.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => f.write_str(text),
            Self::Group(_) => f.write_str("{}"),
            Self::List(_) => f.write_str("[]"),
        }
    }
}

#[cfg(all(test, feature = "toml", feature = "yaml"))]
mod tests {
    use crate::config::format::Format;

    #[test]
    fn every_format_makes_the_same_tree() {
        let json = r#"{"a":{"b":1,"c":[true,-2,0.5,null]},"d":"x"}"#;
        let yaml = "a: {b: 1, c: [true, -2, 0.5, null]}\nd: x\n";
        assert!(Format::Json.tree(json) == Format::Yaml.tree(yaml));
        let toml = "d = 'x'\n[a]\nb = 1\nc = [true, -2, 0.5]\n";
        let json = r#"{"a":{"b":1,"c":[true,-2,0.5]},"d":"x"}"#;
        assert!(Format::Json.tree(json) == Format::Toml.tree(toml));
        let properties = "a.b=1\na.c[0]=true\na.c[1]=-2\nd=x\n";
        let json = r#"{"a":{"b":"1","c":["true","-2"]},"d":"x"}"#;
        assert!(Format::Json.tree(json) == Format::Properties.tree(properties));
        let time = Format::Toml.tree("at = 2020-01-01T10:00:00Z").map(|tree| tree.at(["at"]).map(ToString::to_string));
        assert_eq!(time, Ok(Some("2020-01-01T10:00:00Z".to_owned())));
    }

    #[test]
    fn a_text_of_comments_alone_is_an_empty_group() {
        for (format, text) in [(Format::Yaml, "# nothing\n"), (Format::Toml, "# nothing\n"), (Format::Properties, "#")]
        {
            assert!(format.tree(text).is_ok_and(|tree| tree == super::Tree::empty()), "{format:?}");
        }
    }
}
