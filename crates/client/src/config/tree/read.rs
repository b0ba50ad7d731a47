//! Reads a tree into a type. Texts become what the type asks for, by the words that Spring takes.

use serde::de::value::{Error, MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::Tree;
use crate::config::format::Unfit;

impl Tree {
    /// Reads it into a type.
    ///
    /// # Errors
    /// [`Unfit`] says at which key it does not fit, and shows no value.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, Unfit> {
        serde_path_to_error::deserialize(self)
            .map_err(|error| Unfit::of_value(error.path(), &error.inner().to_string(), None))
    }

    /// What it is, for a message about another thing being expected.
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Unsigned(value) => Unexpected::Unsigned(*value),
            Self::Signed(value) => Unexpected::Signed(*value),
            Self::Float(value) => Unexpected::Float(*value),
            Self::Text(text) => Unexpected::Str(text),
            Self::Group(_) => Unexpected::Map,
            Self::List(_) => Unexpected::Seq,
        }
    }
}

impl IntoDeserializer<'_, Error> for Tree {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Reads a scalar out of a text and gives it to the visitor; gives anything else as it is.
macro_rules! scalars {
    ($($method:ident $visit:ident $expected:literal $read:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let Self::Text(text) = &self else { return self.deserialize_any(visitor) };
            let read: fn(&str) -> Option<_> = $read;
            visitor.$visit(read(text.trim()).ok_or_else(|| Error::invalid_type(self.unexpected(), &$expected))?)
        })*
    };
}

impl<'de> Deserializer<'de> for Tree {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Unsigned(value) => visitor.visit_u64(value),
            Self::Signed(value) => visitor.visit_i64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(text) => visitor.visit_string(text),
            Self::Group(fields) => visitor.visit_map(MapDeserializer::new(fields.into_iter())),
            Self::List(items) => visitor.visit_seq(SeqDeserializer::new(items.into_values())),
        }
    }

    scalars! {
        deserialize_bool visit_bool "true or false" truth;
        deserialize_i8 visit_i8 "a whole number" |text| text.parse().ok();
        deserialize_i16 visit_i16 "a whole number" |text| text.parse().ok();
        deserialize_i32 visit_i32 "a whole number" |text| text.parse().ok();
        deserialize_i64 visit_i64 "a whole number" |text| text.parse().ok();
        deserialize_u8 visit_u8 "a whole number" |text| text.parse().ok();
        deserialize_u16 visit_u16 "a whole number" |text| text.parse().ok();
        deserialize_u32 visit_u32 "a whole number" |text| text.parse().ok();
        deserialize_u64 visit_u64 "a whole number" |text| text.parse().ok();
        deserialize_f32 visit_f32 "a number" |text| text.parse().ok();
        deserialize_f64 visit_f64 "a number" |text| text.parse().ok();
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// A text where a list is wanted is its parts between commas; an empty one is an empty list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self::Text(text) = self else {
            return self.deserialize_any(visitor);
        };
        let parts = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
        visitor.visit_seq(SeqDeserializer::new(parts.map(|part| Self::Text(part.to_owned()))))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) => {
                let variant: StringDeserializer<Error> = text.into_deserializer();
                visitor.visit_enum(variant)
            }
            Self::Group(fields) => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(MapDeserializer::new(fields.into_iter())))
            }
            other => Err(Error::invalid_type(other.unexpected(), &"a variant")),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit_struct map struct identifier ignored_any
    }
}

/// The words that Spring takes.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::config::format::Format;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Wide {
        on: bool,
        size: u16,
        below: i8,
        ratio: f64,
        name: Option<String>,
        kind: Kind,
        map: BTreeMap<String, Vec<u8>>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        Small,
        Large { by: u8 },
    }

    #[test]
    fn numbers_stay_numbers_and_texts_become_what_is_asked_for() {
        let typed = r#"{"on":true,"size":8,"below":-1,"ratio":2,"name":null,"kind":"small","map":{"a":[1,2]}}"#;
        let texts = r#"{"on":"yes","size":"8","below":"-1","ratio":"2.0","kind":"small","map":{"a":"1, 2"}}"#;
        let wide = Wide {
            on: true,
            size: 8,
            below: -1,
            ratio: 2.0,
            name: None,
            kind: Kind::Small,
            map: BTreeMap::from([("a".into(), vec![1, 2])]),
        };
        for text in [typed, texts] {
            assert_eq!(Format::Json.tree(text).and_then(super::Tree::read).as_ref(), Ok(&wide), "{text}");
        }
        let large = Format::Json.tree(r#"{"large":{"by":"3"}}"#).and_then(super::Tree::read);
        assert_eq!(large, Ok(Kind::Large { by: 3 }));
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_key_and_never_by_its_value() {
        for text in [r#"{"a":{"size":"hunter2"}}"#, r#"{"a":{"size":[4711]}}"#, r#"{"a":{"size":4711.5}}"#] {
            let read = Format::Json.tree(text).and_then(super::Tree::read::<BTreeMap<String, BTreeMap<String, u8>>>);
            let shown = read.expect_err("it does not fit").to_string();
            assert!(shown.contains("a.size") && !shown.contains("hunter2") && !shown.contains("4711"), "{shown}");
        }
    }
}
