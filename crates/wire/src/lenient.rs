//! Fields as Jackson reads them: `null` and absent are the same, a number may stand for a text, a text for a number
//! or a truth value. Recorded: `conn-broken-payloads`, `naming-invalid-port`, `naming-invalid-metadata`.
//!
//! Used as `#[serde(default, deserialize_with = "lenient::text")]` on the bodies in [`crate::rpc`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use nacrite_base::instance::Pairs;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text, or a scalar as text; `None` for `null`.
///
/// # Errors
/// For lists and objects.
pub fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    from.deserialize_any(TextVisitor)
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(v)))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(v.to_owned())))
    }

    fn visit_string<E: Error>(self, v: String) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(v)))
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(if v { "true" } else { "false" })))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(v.to_string())))
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(v.to_string())))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(v.to_string())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A number as JSON wrote it, before it is fitted into a type.
enum Number {
    Whole(i128),
    Broken(f64),
    Absent,
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Number, E> {
        Ok(Number::Whole(v.into()))
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Number, E> {
        Ok(Number::Whole(v.into()))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Number, E> {
        Ok(Number::Broken(v))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Number, E> {
        let v = v.trim();
        if v.is_empty() {
            return Ok(Number::Absent);
        }
        if let Ok(whole) = v.parse::<i64>() {
            return Ok(Number::Whole(whole.into()));
        }
        v.parse().map(Number::Broken).map_err(|_| E::custom("a text where a number is expected"))
    }

    fn visit_unit<E: Error>(self) -> Result<Number, E> {
        Ok(Number::Absent)
    }
}

/// A whole number; fractions are cut off, `null` and an empty text are 0. Numbers beyond `i64` are cut to it, so that
/// range checks see them as too large.
///
/// # Errors
/// For texts that are no number, lists and objects.
pub fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    Ok(match from.deserialize_any(NumberVisitor)? {
        Number::Whole(v) => i64::try_from(v).unwrap_or(if v < 0 { i64::MIN } else { i64::MAX }),
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and cutting the fraction is wanted")]
        Number::Broken(v) => v as i64,
        Number::Absent => 0,
    })
}

/// A number; `null` is 0.
///
/// # Errors
/// For texts that are no number, lists and objects.
pub fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(match from.deserialize_any(NumberVisitor)? {
        #[expect(clippy::cast_precision_loss, reason = "a weight needs no 64 bits")]
        Number::Whole(v) => v as f64,
        Number::Broken(v) => v,
        Number::Absent => 0.0,
    })
}

/// A truth value, `"true"` or a number; `null` is false.
///
/// # Errors
/// For other texts, lists and objects.
pub fn truth<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    struct TruthVisitor;
    impl Visitor<'_> for TruthVisitor {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true or false")
        }

        fn visit_bool<E: Error>(self, v: bool) -> Result<bool, E> {
            Ok(v)
        }

        fn visit_i64<E: Error>(self, v: i64) -> Result<bool, E> {
            Ok(v != 0)
        }

        fn visit_u64<E: Error>(self, v: u64) -> Result<bool, E> {
            Ok(v != 0)
        }

        fn visit_str<E: Error>(self, v: &str) -> Result<bool, E> {
            match v.trim() {
                "true" | "True" | "TRUE" => Ok(true),
                "false" | "False" | "FALSE" | "" => Ok(false),
                _ => Err(E::custom("a text where true or false is expected")),
            }
        }

        fn visit_unit<E: Error>(self) -> Result<bool, E> {
            Ok(false)
        }
    }
    from.deserialize_any(TruthVisitor)
}

/// A list; `None` for `null`.
///
/// # Errors
/// For anything else.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    Option::deserialize(from)
}

/// A text of its own, or a scalar as text; `None` for `null`.
///
/// # Errors
/// For lists and objects.
pub fn owned_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<str>>, D::Error> {
    Ok(text(from)?.map(Into::into))
}

/// A list of texts; `null` is an empty one, and so is a text that is `null`.
///
/// # Errors
/// For anything else.
pub fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let texts: Option<Vec<Text<'de>>> = Option::deserialize(from)?;
    Ok(texts.into_iter().flatten().map(|Text(text)| text.unwrap_or_default().into_owned()).collect())
}

/// A list; `null` is an empty one.
///
/// # Errors
/// For anything else.
pub fn list_or_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(list(from)?.unwrap_or_default())
}

/// An object of truth values; what is no truth value is left out, and `null` is an empty one.
///
/// # Errors
/// For anything else, and for values that are lists or objects.
pub fn truths<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Box<str>, bool>, D::Error> {
    let pairs = text_map(from)?.unwrap_or_default();
    let truths = pairs.into_iter().filter_map(|(key, value)| Some((key.into(), value?.parse().ok()?)));
    Ok(truths.collect())
}

/// A text inside a list or a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a>(pub Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text(from).map(Text)
    }
}

/// An object of texts, in the order that it was sent; `None` for `null`. The last of a repeated key counts for who
/// looks from the end.
pub type TextMap<'a> = Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>;

/// An object of texts; `None` for `null`.
///
/// # Errors
/// For anything else, and for values that are lists or objects.
pub fn text_map<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TextMap<'de>>, D::Error> {
    collect(from, |pairs: &mut TextMap<'de>, key, value| pairs.push((key, value)))
}

/// Metadata of an instance; `None` for `null`.
///
/// # Errors
/// As [`text_map`].
pub fn metadata<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Pairs>, D::Error> {
    collect(from, |pairs: &mut Pairs, key: Cow<'de, str>, value: Option<Cow<'de, str>>| {
        pairs.insert(key.into(), value.map(Into::into));
    })
}

fn collect<'de, D, C, F>(from: D, add: F) -> Result<Option<C>, D::Error>
where
    D: Deserializer<'de>,
    C: Default,
    F: Fn(&mut C, Cow<'de, str>, Option<Cow<'de, str>>),
{
    struct MapVisitor<C, F>(F, PhantomData<C>);
    impl<'de, C, F> Visitor<'de> for MapVisitor<C, F>
    where
        C: Default,
        F: Fn(&mut C, Cow<'de, str>, Option<Cow<'de, str>>),
    {
        type Value = Option<C>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = C::default();
            while let Some((Text(key), Text(value))) = map.next_entry()? {
                (self.0)(&mut pairs, key.unwrap_or_default(), value);
            }
            Ok(Some(pairs))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    from.deserialize_any(MapVisitor(add, PhantomData))
}

/// Any object, of which only its being there matters; `None` for `null`.
///
/// # Errors
/// For anything but an object.
pub fn presence<'de, D: Deserializer<'de>>(from: D) -> Result<Option<()>, D::Error> {
    struct PresenceVisitor;
    impl<'de> Visitor<'de> for PresenceVisitor {
        type Value = Option<()>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Some(()))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(A::Error::custom("a list where an object is expected"))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    from.deserialize_any(PresenceVisitor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default)]
    struct Body<'a> {
        #[serde(borrow, deserialize_with = "text")]
        name: Option<Cow<'a, str>>,
        #[serde(deserialize_with = "whole")]
        port: i64,
        #[serde(deserialize_with = "number")]
        weight: f64,
        #[serde(deserialize_with = "truth")]
        on: bool,
        #[serde(borrow, deserialize_with = "text_map")]
        map: Option<TextMap<'a>>,
    }

    fn read(json: &str) -> Result<Body<'_>, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn scalars_are_converted_into_each_other() {
        let body = read(r#"{"name":5,"port":"7","weight":"2","on":"true"}"#).expect("Jackson takes it");
        assert_eq!((body.name.as_deref(), body.port, body.weight, body.on), (Some("5"), 7, 2.0, true));
        let body = read(r#"{"name":true,"port":1.5,"weight":3,"on":1}"#).expect("Jackson takes it");
        assert_eq!((body.name.as_deref(), body.port, body.weight, body.on), (Some("true"), 1, 3.0, true));
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let body = read(r#"{"name":null,"port":null,"weight":null,"on":null,"map":null}"#).expect("nulls are fine");
        assert_eq!((body.name, body.port, body.weight, body.on), (None, 0, 0.0, false));
        assert!(body.map.is_none());
    }

    #[test]
    fn what_cannot_be_converted_is_refused() {
        for bad in [r#"{"port":"x"}"#, r#"{"name":["x"]}"#, r#"{"on":"perhaps"}"#, r#"{"map":"text"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(r#"{"map":{"o":{"x":1}}}"#).is_err(), "a nested object");
    }

    #[test]
    fn maps_keep_keys_without_values() {
        let body = read(r#"{"map":{"a":null,"n":5}}"#).expect("a map");
        let map = body.map.expect("not null");
        assert_eq!(map, [("a".into(), None), ("n".into(), Some("5".into()))]);
    }

    #[test]
    fn numbers_beyond_the_type_are_cut_to_it() {
        assert_eq!(read(r#"{"port":1e300}"#).map(|b| b.port).ok(), Some(i64::MAX));
        assert_eq!(read(r#"{"port":18446744073709551615}"#).map(|b| b.port).ok(), Some(i64::MAX));
    }
}
