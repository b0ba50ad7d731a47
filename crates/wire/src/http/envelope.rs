//! The envelopes of JSON answers: `Result` of v2 and v3, `RestResult` of v1 (`reference/http.md`, 1.6).

use bytes::Bytes;

use crate::codes::body;
use crate::json;

/// An answer of v2 and v3 around data that is JSON already.
#[must_use]
pub fn result(data: &[u8]) -> Bytes {
    result_of(body::SUCCESS, data)
}

/// An answer of v2 and v3 with any code.
#[must_use]
pub fn result_of((code, message): (i32, &str), data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(40 + message.len() + data.len());
    out.extend_from_slice(b"{\"code\":");
    json::write(&mut out, &code);
    out.extend_from_slice(b",\"message\":");
    json::write(&mut out, message);
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(data);
    out.push(b'}');
    out.into()
}

/// A successful answer of those parts of v1 that have an envelope.
#[must_use]
pub fn rest_result(data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(40 + data.len());
    out.extend_from_slice(b"{\"code\":200,\"message\":null,\"data\":");
    out.extend_from_slice(data);
    out.push(b'}');
    out.into()
}

/// A failure of those parts of v1 that have an envelope; the status of HTTP is that of success.
#[must_use]
pub fn rest_failure(code: u16, message: &str) -> Bytes {
    result_of((code.into(), message), b"null")
}

/// `"ok"` in the envelope of v2 and v3.
pub const OK: Bytes = Bytes::from_static(br#"{"code":0,"message":"success","data":"ok"}"#);

/// `true` in the envelope of v2 and v3.
pub const TRUE: Bytes = Bytes::from_static(br#"{"code":0,"message":"success","data":true}"#);

/// Nothing in the envelope of v2 and v3.
pub const NULL: Bytes = Bytes::from_static(br#"{"code":0,"message":"success","data":null}"#);

/// Writes a JSON list; `write` writes one item.
pub fn write_list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_are_those_of_nacos() {
        assert_eq!(result(b"\"ok\""), OK);
        assert_eq!(result(b"true"), TRUE);
        assert_eq!(result(b"null"), NULL);
        assert_eq!(&rest_result(b"[]")[..], br#"{"code":200,"message":null,"data":[]}"#);
    }

    #[test]
    fn lists_have_commas_between_items_only() {
        for (items, text) in [(vec![], "[]"), (vec![1], "[1]"), (vec![1, 2, 3], "[1,2,3]")] {
            let mut out = Vec::new();
            write_list(&mut out, items, |out, item| json::write(out, &item));
            assert_eq!(std::str::from_utf8(&out), Ok(text));
        }
    }
}
