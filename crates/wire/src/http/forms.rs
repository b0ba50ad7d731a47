//! Texts as forms encode them: `+` for a space, `%` and two digits for a byte of UTF-8; and as paths do, where `+` is
//! itself.

use std::borrow::Cow;

/// Decodes a text; borrows it if nothing in it is encoded. `None` if it is not percent-encoded UTF-8.
#[must_use]
pub fn decode(raw: &[u8]) -> Option<Cow<'_, str>> {
    decode_with(raw, b' ')
}

/// Decodes a part of a path; otherwise as [`decode`].
#[must_use]
pub fn decode_path(raw: &[u8]) -> Option<Cow<'_, str>> {
    decode_with(raw, b'+')
}

fn decode_with(raw: &[u8], plus: u8) -> Option<Cow<'_, str>> {
    let Some(first) = raw.iter().position(|byte| matches!(byte, b'%' | b'+')) else {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    };
    let mut out = Vec::with_capacity(raw.len());
    out.extend_from_slice(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => out.push(plus),
            b'%' => {
                let [high, low, after @ ..] = after else { return None };
                out.push(digit(*high)? << 4 | digit(*low)?);
                rest = after;
            }
            plain => out.push(*plain),
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decoded_as_forms_encode_them() {
        for (raw, text) in [
            ("plain", Some("plain")),
            ("x+y%20z", Some("x y z")),
            ("%E5%90%8d", Some("名")),
            ("", Some("")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%ff", None),
            ("%C3%28", None),
        ] {
            assert_eq!(decode(raw.as_bytes()).as_deref(), text, "{raw}");
        }
        assert_eq!(decode(b"\xff"), None);
    }

    #[test]
    fn a_plus_in_a_path_is_itself() {
        assert_eq!(decode_path(b"a+b%2Fc").as_deref(), Some("a+b/c"));
        assert_eq!(decode_path(b"%"), None);
    }

    #[test]
    fn what_is_not_encoded_is_not_copied() {
        assert!(matches!(decode(b"plain"), Some(Cow::Borrowed("plain"))));
    }
}
