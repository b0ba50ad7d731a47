//! Where parameters come from: the query, and the body if it is a form; on every method.
//!
//! The query comes first, so that its value counts where both have a name (`reference/http.md`, 1.3). The charset that a
//! client announces is ignored: those that announce another one than UTF-8 send UTF-8 all the same. A text without
//! anything encoded in it is borrowed, not copied.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use nacrite_wire::http::forms;
use nacrite_wire::http::params::Params;
use nacrite_wire::http::refusal::Refusal;

use crate::settings::PARAMS_MAX;

/// The parameters of a request.
///
/// # Errors
/// [`Refusal::Undecodable`] or [`Refusal::TooManyParams`].
pub(crate) fn read<'a>(query: Option<&'a str>, headers: &HeaderMap, body: &'a [u8]) -> Result<Params<'a>, Refusal> {
    let mut params = Params::default();
    if let Some(query) = query {
        add(&mut params, query.as_bytes())?;
    }
    if !body.is_empty() && is_form(headers) {
        add(&mut params, body)?;
    }
    Ok(params)
}

fn is_form(headers: &HeaderMap) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    let announced = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    announced.is_some_and(|value| value.get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM)))
}

fn add<'a>(params: &mut Params<'a>, text: &'a [u8]) -> Result<(), Refusal> {
    for pair in text.split(|byte| *byte == b'&') {
        if pair.is_empty() {
            continue;
        }
        if params.len() == PARAMS_MAX {
            return Err(Refusal::TooManyParams { max: PARAMS_MAX });
        }
        let equals = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = equals.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        params.push(decode(name)?, decode(value)?);
    }
    Ok(())
}

fn decode(raw: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    forms::decode(raw).ok_or(Refusal::Undecodable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn form() -> HeaderMap {
        let announced = HeaderValue::from_static("Application/X-WWW-Form-Urlencoded; charset=GBK");
        [(CONTENT_TYPE, announced)].into_iter().collect()
    }

    #[test]
    fn the_query_comes_before_the_form() {
        let headers = form();
        let params = read(Some("a=1&b=2"), &headers, b"b=3&c=4").expect("plain");
        let seen = ["a", "b", "c"].map(|name| params.sent(name));
        assert_eq!(seen, [Some("1"), Some("2"), Some("4")]);
    }

    #[test]
    fn a_body_that_is_no_form_holds_no_parameters() {
        let json = HeaderValue::from_static("application/json");
        for headers in [HeaderMap::new(), [(CONTENT_TYPE, json)].into_iter().collect()] {
            assert!(read(None, &headers, b"a=1").is_ok_and(|params| params.is_empty()));
        }
    }

    #[test]
    fn texts_are_decoded_as_forms_encode_them() {
        let params = read(Some("a=x+y%20z&%E5%90%8D=%e5%80%BC&&flag&eq=a=b&empty="), &HeaderMap::new(), b"");
        let params = params.expect("well encoded");
        for (name, value) in [("a", "x y z"), ("名", "值"), ("flag", ""), ("eq", "a=b"), ("empty", "")] {
            assert_eq!(params.sent(name), Some(value), "{name}");
        }
        assert_eq!(params.len(), 5);
    }

    #[test]
    fn broken_encodings_are_refused() {
        for broken in ["a=%", "a=%2", "a=%zz", "a=%ff", "%=1", "a=%C3%28"] {
            let read = read(Some(broken), &HeaderMap::new(), b"");
            assert!(matches!(read, Err(Refusal::Undecodable)), "{broken}");
        }
        assert!(matches!(read(None, &form(), b"a=\xff"), Err(Refusal::Undecodable)));
    }

    #[test]
    fn parameters_are_bounded() {
        let query = |count: usize| vec!["a=1"; count].join("&");
        assert!(read(Some(&query(PARAMS_MAX)), &HeaderMap::new(), b"").is_ok());
        let over = query(PARAMS_MAX + 1);
        let refused = read(Some(&over), &HeaderMap::new(), b"");
        assert!(matches!(refused, Err(Refusal::TooManyParams { .. })));
    }
}
