//! JSON in and out, so that the library behind it is named in one place.
//!
//! Reading follows Jackson as Nacos uses it: unknown fields are ignored, text after the first value is ignored, scalars
//! are converted into each other ([`crate::lenient`]). Recorded: `conn-broken-payloads`.

use nacrite_base::Fault;
use serde::{Deserialize, Serialize};

/// Reads the first JSON value in `bytes`.
///
/// # Errors
/// [`Fault::EmptyRequest`] for `null`, [`Fault::Undecodable`] for anything that is not the wanted object.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Fault> {
    // A list would do for an object whose fields may all be absent.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Fault::Undecodable { detail: "at line 1 column 1".to_owned() });
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value: Option<T> = Option::deserialize(&mut reader).map_err(|e| Fault::Undecodable { detail: position(&e) })?;
    value.ok_or(Fault::EmptyRequest)
}

/// Reads a JSON list; what stands behind it is ignored.
///
/// # Errors
/// [`Fault::Undecodable`] for anything that is not a list of the wanted objects.
pub fn read_list<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<Vec<T>, Fault> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Vec::deserialize(&mut reader).map_err(|e| Fault::Undecodable { detail: position(&e) })
}

/// Where it went wrong, without any of the content.
fn position(error: &serde_json::Error) -> String {
    format!("at line {} column {}", error.line(), error.column())
}

/// Appends a value as JSON.
pub fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let end = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        // Only maps with keys that are no text fail, and no body has one. Leave the text valid.
        out.truncate(end);
        out.extend_from_slice(b"null");
    }
}

/// A value as JSON.
#[must_use]
pub fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    write(&mut out, value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Empty {}

    #[test]
    fn text_after_the_object_is_ignored() {
        assert!(read::<Empty>(b"{} trailing").is_ok());
    }

    #[test]
    fn null_is_told_from_nonsense() {
        assert!(matches!(read::<Empty>(b"null"), Err(Fault::EmptyRequest)));
        for bad in [&b"{broken"[..], b"", b"\"text\"", b"7", b"[]", b" []"] {
            assert!(matches!(read::<Empty>(bad), Err(Fault::Undecodable { .. })), "{bad:?}");
        }
    }

    #[test]
    fn an_undecodable_body_does_not_leak_into_the_message() {
        let fault = read::<Empty>(b"\"password=secret\"").expect_err("no object");
        assert!(!fault.to_string().contains("secret"), "{fault}");
    }
}
