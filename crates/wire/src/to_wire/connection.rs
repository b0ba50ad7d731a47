//! Answers and pushes about the connection itself.

use bytes::Bytes;
use nacrite_base::ConnectionId;

use super::{begin, end};
use crate::json;

/// `ServerCheckResponse`.
#[must_use]
pub fn server_check_response(id: &ConnectionId) -> Bytes {
    let mut out = begin(96);
    out.extend_from_slice(b",\"connectionId\":");
    json::write(&mut out, id.as_str());
    out.extend_from_slice(b",\"supportAbilityNegotiation\":true");
    end(out)
}

/// `SetupAckRequest`: what a server of version 3 can do. Has no request id and expects no answer. Locks and the AI registry
/// are announced because clients of version 3 expect them; until they are served, a request for one is refused with a
/// text that names it (`docs/compatibility.md`).
pub const SETUP_ACK: Bytes = Bytes::from_static(
    br#"{"headers":{},"abilityTable":{"supportPersistentInstanceByGrpc":true,"fuzzyWatch":true,"lock":true,"mcp":true},"module":"internal"}"#,
);

/// `ClientDetectionRequest`.
#[must_use]
pub fn client_detection(request_id: u64) -> Bytes {
    end_push(begin_push(request_id, 0), "internal")
}

/// Where a client is told to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Address of the other server.
    pub ip: String,
    /// Its main port, as text.
    pub port: String,
}

/// `ConnectResetRequest`. The three fields stand together or not at all (recorded: `conn-reset-bad-redirect`).
#[must_use]
pub fn connect_reset(request_id: u64, connection: &ConnectionId, redirect: Option<&Redirect>) -> Bytes {
    let mut out = begin_push(request_id, 128);
    if let Some(Redirect { ip, port }) = redirect {
        out.extend_from_slice(b",\"serverIp\":");
        json::write(&mut out, ip);
        out.extend_from_slice(b",\"serverPort\":");
        json::write(&mut out, port);
        out.extend_from_slice(b",\"connectionId\":");
        json::write(&mut out, connection.as_str());
    }
    end_push(out, "internal")
}

/// `ServerLoaderInfoResponse`; all numbers are texts.
#[must_use]
pub fn loader_info_response(metrics: &[(&str, String)]) -> Bytes {
    let mut out = begin(128);
    out.extend_from_slice(b",\"loaderMetrics\":{");
    for (at, (name, value)) in metrics.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write(&mut out, name);
        out.push(b':');
        json::write(&mut out, value);
    }
    out.push(b'}');
    end(out)
}

/// An answer whose result stands in `message`.
#[must_use]
pub fn message_response(message: &str) -> Bytes {
    let mut out = begin(32);
    out.extend_from_slice(b",\"message\":");
    json::write(&mut out, message);
    end(out)
}

/// Starts a push; more fields and [`end_push`] follow. `headers` must be there, some clients insist on it.
pub(super) fn begin_push(request_id: u64, capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(96 + capacity);
    out.extend_from_slice(b"{\"headers\":{},\"requestId\":\"");
    json::write(&mut out, &request_id);
    out.push(b'"');
    out
}

/// Ends a push of `module`.
pub(super) fn end_push(mut out: Vec<u8>, module: &str) -> Bytes {
    out.extend_from_slice(b",\"module\":");
    json::write(&mut out, module);
    out.push(b'}');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &Bytes, json: &str) {
        assert_eq!(std::str::from_utf8(body), Ok(json));
    }

    #[test]
    fn a_reset_names_the_connection_only_with_a_redirect() {
        let id = ConnectionId::new("1_127.0.0.1_2");
        check(&connect_reset(7, &id, None), r#"{"headers":{},"requestId":"7","module":"internal"}"#);
        let redirect = Redirect { ip: "10.1.2.3".to_owned(), port: "8848".to_owned() };
        check(
            &connect_reset(8, &id, Some(&redirect)),
            concat!(
                r#"{"headers":{},"requestId":"8","serverIp":"10.1.2.3","serverPort":"8848","#,
                r#""connectionId":"1_127.0.0.1_2","module":"internal"}"#
            ),
        );
    }

    #[test]
    fn a_server_check_tells_the_connection_its_id() {
        check(
            &server_check_response(&ConnectionId::new("1_127.0.0.1_2")),
            concat!(
                r#"{"resultCode":200,"errorCode":0,"connectionId":"1_127.0.0.1_2","#,
                r#""supportAbilityNegotiation":true,"success":true}"#
            ),
        );
    }
}
