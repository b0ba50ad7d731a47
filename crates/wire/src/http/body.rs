//! Bodies that are JSON: most requests are forms, these few are not (`reference/http.md`, 1.3).

use crate::http::refusal::{Refusal, shown};

/// The body, if it is there and announced as JSON, or as nothing.
///
/// # Errors
/// [`Refusal::BodyMissing`] or [`Refusal::MediaTypeUnread`].
pub fn json<'a>(content_type: Option<&str>, body: &'a [u8]) -> Result<&'a [u8], Refusal> {
    let given = content_type.unwrap_or_default();
    match given.split(';').next().unwrap_or_default().trim() {
        "" | "application/json" if body.is_empty() => Err(Refusal::BodyMissing),
        "" | "application/json" => Ok(body),
        _ => Err(Refusal::MediaTypeUnread { given: shown(given) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_unless_it_says_otherwise() {
        assert!(json(None, b"{}").is_ok() && json(Some("application/json; charset=UTF-8"), b"[]").is_ok());
        assert!(matches!(json(Some("application/json"), b""), Err(Refusal::BodyMissing)));
        let form = json(Some("application/x-www-form-urlencoded"), b"a=b");
        assert!(matches!(form, Err(Refusal::MediaTypeUnread { .. })));
    }
}
