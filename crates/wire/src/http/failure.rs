//! The shapes of refusals: plain text in v1, an envelope in v2 and v3, and the error document of Nacos's container
//! (`reference/http.md`, 1.7).

use bytes::Bytes;
use nacrite_base::{Fault, Timestamp};

use super::envelope;
use super::refusal::{Refusal, java_type};
use crate::codes::{self, RefusedBy};
use crate::json;

/// Which API an endpoint belongs to, as far as answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// `/v1/ns`: the message itself.
    NamingV1,
    /// `/v1/cs`, and `/v3/client/cs`: the message with a frame.
    ConfigV1,
    /// `/v1/console`, `/v1/core`, `/v1/auth` and everything without a version: a framed message, most often status 500.
    ConsoleV1,
    /// `/v2/core/loader`: not wrapped if it succeeds, wrapped with an old number if it does not.
    LoaderV2,
    /// `/v2/ns/catalog`: the envelope if it succeeds, the message itself if it does not.
    CatalogV2,
    /// `/v2`: the envelope.
    V2,
    /// `/v3`: the envelope.
    V3,
}

impl Generation {
    /// The generation of a path below the context path, for paths without a row.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        let is_under =
            |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_under("/v1/ns") {
            Self::NamingV1
        } else if is_under("/v1/cs") {
            Self::ConfigV1
        } else if is_under("/v2") {
            Self::V2
        } else if is_under("/v3") {
            Self::V3
        } else {
            Self::ConsoleV1
        }
    }
}

/// What stands in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Plain text.
    Text,
    /// JSON.
    Json,
    /// Text of the parameter check and of the limits: without a type, not to be cached.
    Untyped,
}

/// A refusal as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// HTTP status.
    pub status: u16,
    /// What the body is.
    pub media: Media,
    /// The body.
    pub body: Bytes,
}

impl Told {
    fn text(status: u16, text: String) -> Self {
        Self { status, media: Media::Text, body: text.into() }
    }

    fn json(status: u16, body: Bytes) -> Self {
        Self { status, media: Media::Json, body }
    }
}

/// Where and when a request was refused; the container's document says both.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it was sent.
    pub uri: &'a str,
    /// The present.
    pub now: Timestamp,
}

/// Writes a refusal.
#[must_use]
pub fn failure(refusal: &Refusal, generation: Generation, scene: &Scene<'_>) -> Told {
    let codes = codes::http(refusal);
    match refusal {
        Refusal::Fault(fault) => match (codes::codes(fault).refused_by, fault) {
            (RefusedBy::Filter, Fault::Denied { .. }) => page(codes.status, &fault.to_string(), scene),
            (RefusedBy::Filter, _) => untyped(codes.status, &fault.to_string()),
            (_, Fault::NotReady { reason }) if generation == Generation::NamingV1 => {
                Told::text(codes.status, format!("server is STARTING now, detailed error message: {reason}"))
            }
            (_, Fault::NotServed { what }) => not_served(codes, what, generation),
            _ => by_generation(refusal, codes, generation),
        },
        Refusal::ServiceNameFiltered { .. } => page(codes.status, &refusal.to_string(), scene),
        _ => by_generation(refusal, codes, generation),
    }
}

fn by_generation(refusal: &Refusal, codes: codes::HttpCodes, generation: Generation) -> Told {
    match generation {
        Generation::NamingV1 | Generation::CatalogV2 => Told::text(codes.status, naming_v1_text(refusal)),
        Generation::ConfigV1 => config_v1(refusal, codes.status),
        Generation::ConsoleV1 => Told::text(console_v1_status(refusal, codes.status), escaped(&framed(refusal))),
        Generation::LoaderV2 => loader_v2(refusal, codes),
        Generation::V2 | Generation::V3 => {
            if let Refusal::Unbindable { .. } = refusal {
                // What the binding says stands where the text of the code is, and nothing below it.
                let body = envelope::result_of((codes.body.0, &refusal.to_string()), b"null");
                return Told::json(codes.status, body);
            }
            let detail = json::bytes(&*detail(refusal));
            let status = codes::status_of_later(refusal, codes.status);
            Told::json(status, envelope::result_of(codes.body, &detail))
        }
    }
}

/// What v2 and v3 say below the text of the code.
fn detail(refusal: &Refusal) -> std::borrow::Cow<'static, str> {
    match refusal {
        Refusal::Fault(Fault::ParamMissing { name }) => {
            format!("Required parameter '{name}' type {} is not present", java_type(name)).into()
        }
        other => other.to_string().into(),
    }
}

fn naming_v1_text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotBound { name } => format!("Parameter '{name}' is missing"),
        other => other.to_string(),
    }
}

fn config_v1(refusal: &Refusal, status: u16) -> Told {
    match refusal {
        // What the framework misses is told by the module that hosts all others (recorded: `cs-delete`).
        Refusal::NotBound { .. } => Told::text(500, escaped(&framed(refusal))),
        Refusal::Fault(Fault::ParamMissing { .. }) => Told::text(status, format!("caused: {};", detail(refusal))),
        _ => Told::text(status, framed(refusal)),
    }
}

fn framed(refusal: &Refusal) -> String {
    format!("caused: {refusal};")
}

/// The console of v1 answers most failures with 500, whatever their cause (recorded: `console-namespaces-errors`,
/// `core-cluster`).
fn console_v1_status(refusal: &Refusal, status: u16) -> u16 {
    match refusal {
        Refusal::NotBound { .. }
        | Refusal::NamespaceAbsent { .. }
        | Refusal::BodyMissing
        | Refusal::MediaTypeUnread { .. } => 500,
        _ => status,
    }
}

fn loader_v2(refusal: &Refusal, codes: codes::HttpCodes) -> Told {
    if let Refusal::NumberExpected { .. } = refusal {
        return Told::text(codes.status, framed(refusal));
    }
    let message = escaped(&framed(refusal));
    Told::json(500, envelope::result_of((500, &message), b"null"))
}

/// An endpoint that Nacos has and this version has not.
fn not_served(codes: codes::HttpCodes, what: &str, generation: Generation) -> Told {
    let message = format!("this endpoint is not served by Nacrite yet: {what}");
    match generation {
        Generation::V2 | Generation::V3 | Generation::LoaderV2 => {
            Told::json(codes.status, envelope::result_of((codes.body.0, &message), b"null"))
        }
        _ => Told::text(codes.status, message),
    }
}

/// The parameter check, and whoever says that there is too much to do.
fn untyped(status: u16, text: &str) -> Told {
    Told { status, media: Media::Untyped, body: format!("{text}\r\n").into() }
}

/// A path that nobody knows, or a method that the path does not have.
#[must_use]
pub fn unknown_path(generation: Generation, scene: &Scene<'_>) -> Told {
    match generation {
        Generation::NamingV1 => no_such_api(scene),
        Generation::V3 => page(404, &format!("No endpoint {} {}.", scene.method, scene.uri), scene),
        _ => page(404, "No message available", scene),
    }
}

/// A method that a known path does not have; the edge adds which ones it has (recorded: `v2/cs-config-errors`,
/// `console-server`, `v3/ns-instance-errors`).
#[must_use]
pub fn wrong_method(generation: Generation, scene: &Scene<'_>) -> Told {
    let message = || escaped(&format!("caused: Request method '{}' not supported;", scene.method));
    match generation {
        Generation::NamingV1 => no_such_api(scene),
        Generation::ConfigV1 | Generation::ConsoleV1 => Told::text(500, message()),
        Generation::LoaderV2 | Generation::CatalogV2 | Generation::V2 => {
            Told::json(500, envelope::result_of((500, &message()), b"null"))
        }
        Generation::V3 => page(405, &format!("Method '{}' is not supported.", scene.method), scene),
    }
}

fn no_such_api(scene: &Scene<'_>) -> Told {
    page(501, &format!("no such api:{}:{}", scene.method, scene.uri), scene)
}

/// The error document of the container.
fn page(status: u16, message: &str, scene: &Scene<'_>) -> Told {
    let mut out = Vec::with_capacity(192 + message.len() + scene.uri.len());
    out.extend_from_slice(b"{\"timestamp\":");
    json::write(&mut out, &super::dates::iso_date(scene.now));
    out.extend_from_slice(b",\"status\":");
    json::write(&mut out, &status);
    out.extend_from_slice(b",\"error\":");
    json::write(&mut out, reason(status));
    out.extend_from_slice(b",\"message\":");
    json::write(&mut out, message);
    out.extend_from_slice(b",\"path\":");
    json::write(&mut out, scene.uri);
    out.push(b'}');
    Told::json(status, out.into())
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        501 => "Not Implemented",
        _ => "Internal Server Error",
    }
}

/// A text as Nacos puts it where a browser might show it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&quot;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::GroupName;

    const SCENE: Scene<'_> = Scene { method: "POST", uri: "/nacos/x", now: Timestamp::from_ms(1_795_168_527_270) };

    #[track_caller]
    fn check(refusal: &Refusal, generation: Generation, status: u16, media: Media, body: &str) {
        let told = failure(refusal, generation, &SCENE);
        assert_eq!((told.status, told.media, std::str::from_utf8(&told.body)), (status, media, Ok(body)));
    }

    #[test]
    fn every_generation_tells_a_missing_parameter_in_its_own_words() {
        let missing = || Refusal::from(Fault::ParamMissing { name: "port" });
        check(&missing(), Generation::NamingV1, 400, Media::Text, "Param 'port' is required.");
        let v3 = r#"{"code":10000,"message":"parameter missing","data":"Required parameter 'port' type Integer is not present"}"#;
        check(&missing(), Generation::V2, 400, Media::Json, v3);
        check(&missing(), Generation::V3, 400, Media::Json, v3);
        let bound = Refusal::NotBound { name: "key" };
        check(&bound, Generation::NamingV1, 400, Media::Text, "Parameter 'key' is missing");
        let escaped =
            "caused: Required request parameter &#39;key&#39; for method parameter type String is not present;";
        check(&bound, Generation::ConsoleV1, 500, Media::Text, escaped);
    }

    #[test]
    fn the_parameter_check_speaks_the_same_in_every_generation() {
        let illegal = Refusal::from(Fault::Name(GroupName::parse("a b").expect_err("illegal")));
        let text = "Param 'group' is illegal, illegal characters should not appear in the param.\r\n";
        for generation in [Generation::NamingV1, Generation::V2, Generation::V3] {
            check(&illegal, generation, 400, Media::Untyped, text);
        }
    }

    #[test]
    fn the_container_names_time_and_path() {
        let filtered = Refusal::ServiceNameFiltered { rule: super::super::refusal::NameRule::Group };
        check(
            &filtered,
            Generation::NamingV1,
            400,
            Media::Json,
            concat!(
                r#"{"timestamp":"2026-11-20T09:55:27.270+00:00","status":400,"error":"Bad Request","message":"#,
                r#""Service name filter error,caused: Param 'serviceName' is illegal, groupName can't be empty;","#,
                r#""path":"/nacos/x"}"#
            ),
        );
    }

    #[test]
    fn an_endpoint_that_is_not_served_is_named() {
        let refusal = || Refusal::from(Fault::NotServed { what: "GET /nacos/x".to_owned() });
        let text = "this endpoint is not served by Nacrite yet: GET /nacos/x";
        check(&refusal(), Generation::NamingV1, 501, Media::Text, text);
        check(
            &refusal(),
            Generation::V3,
            501,
            Media::Json,
            &format!(r#"{{"code":40001,"message":"{text}","data":null}}"#),
        );
    }

    #[test]
    fn paths_tell_their_generation() {
        for (path, generation) in [
            ("/v1/ns/instance", Generation::NamingV1),
            ("/v1/nsx", Generation::ConsoleV1),
            ("/v1/cs", Generation::ConfigV1),
            ("/v2/anything", Generation::V2),
            ("/v3", Generation::V3),
            ("/", Generation::ConsoleV1),
        ] {
            assert_eq!(Generation::of_path(path), generation, "{path}");
        }
    }

    #[test]
    fn what_could_not_be_bound_stands_in_the_message() {
        let refusal = Refusal::unbindable("weight", "x");
        let json = r#"{"code":30000,"message":"Failed to convert 'x' to the type of 'weight'","data":null}"#;
        check(&refusal, Generation::V2, 500, Media::Json, json);
    }
}
