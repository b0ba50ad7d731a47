//! Answers as hyper sends them.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use nacrite_wire::codes::body;
use nacrite_wire::http::envelope;
use nacrite_wire::http::failure::{Generation, Media, Scene, Told, failure};
use nacrite_wire::http::refusal::Refusal;

/// An answer: status, headers and the whole body.
pub(crate) type Answer = Response<Full<Bytes>>;

pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain;charset=UTF-8");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const JSON_UTF8: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");

/// An answer of one type.
pub(crate) fn typed(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    // Room for the two that hyper adds.
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(CONTENT_TYPE, content_type);
    *answer.headers_mut() = headers;
    answer
}

/// Plain text, as v1 answers.
pub(crate) fn text(body: impl Into<Bytes>) -> Answer {
    typed(StatusCode::OK, TEXT, body)
}

/// JSON.
pub(crate) fn json(body: impl Into<Bytes>) -> Answer {
    typed(StatusCode::OK, JSON, body)
}

/// Whether the server is ready, as v2 and v3 tell it: with success as the status, whatever the answer is.
pub(crate) fn readiness(is_ready: bool) -> Answer {
    if is_ready {
        return json(envelope::OK);
    }
    json(envelope::result_of(body::SERVER_ERROR, b"\"config and naming not in readiness\""))
}

/// Headers that keep an answer out of every cache.
pub(crate) fn no_cache(headers: &mut HeaderMap) {
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store"));
}

/// A refusal.
pub(crate) fn refused(refusal: &Refusal, generation: Generation, scene: &Scene<'_>) -> Answer {
    told(failure(refusal, generation, scene), generation)
}

/// A refusal that is written already.
pub(crate) fn told(told: Told, generation: Generation) -> Answer {
    let status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match told.media {
        Media::Text => typed(status, TEXT, told.body),
        // Everything under `/v1/cs` says its charset (recorded: `cs-listener-query`).
        Media::Json if generation == Generation::ConfigV1 => typed(status, JSON_UTF8, told.body),
        Media::Json => typed(status, JSON, told.body),
        Media::Untyped => {
            let mut answer = Response::new(Full::new(told.body));
            *answer.status_mut() = status;
            no_cache(answer.headers_mut());
            if generation == Generation::ConfigV1 {
                // There even what has no type says one (recorded: `cs-delete`).
                answer.headers_mut().insert(CONTENT_TYPE, JSON_UTF8);
            }
            answer
        }
    }
}

/// Adds the methods that a path has.
pub(crate) fn allow(mut answer: Answer, methods: &str) -> Answer {
    if let Ok(methods) = HeaderValue::from_str(methods) {
        answer.headers_mut().insert(ALLOW, methods);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{Fault, Timestamp};

    const SCENE: Scene<'_> = Scene { method: "GET", uri: "/nacos/x", now: Timestamp::from_ms(0) };

    #[test]
    fn the_parameter_check_answers_without_a_type_and_must_not_be_cached() {
        let answer = refused(&Fault::PortOutOfRange.into(), Generation::V3, &SCENE);
        let header = |name: &str| answer.headers().get(name).map(HeaderValue::as_bytes);
        assert_eq!(answer.status(), 400);
        assert_eq!(header("content-type"), None);
        assert_eq!(header("cache-control"), Some(&b"no-cache,no-store"[..]));
        assert_eq!(header("expires"), Some(&b"Thu, 01 Jan 1970 00:00:00 GMT"[..]));
    }

    #[test]
    fn a_refusal_has_the_type_of_its_generation() {
        let missing = || Refusal::from(Fault::ParamMissing { name: "ip" });
        for (generation, content_type) in
            [(Generation::NamingV1, &TEXT), (Generation::V2, &JSON), (Generation::V3, &JSON)]
        {
            let answer = refused(&missing(), generation, &SCENE);
            assert_eq!(answer.headers().get(CONTENT_TYPE), Some(content_type));
        }
    }
}
