//! All that this client reads over HTTP and UDP, for tests that throw broken input at it.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::auth;
use crate::http::beats::Heard;
use crate::http::{Reply, config, naming, proxy, udp};

/// Reads `bytes` as each answer over HTTP and as a packet over UDP, whatever they are. Nothing but a panic is a failure.
#[doc(hidden)]
pub fn read_as_everything(bytes: &[u8]) {
    let reply = |status: StatusCode| Reply {
        status,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(bytes),
        peer: IpAddr::from(Ipv4Addr::LOCALHOST),
        local: None,
    };
    let answer = reply(StatusCode::OK);
    drop(naming::read_list(bytes));
    drop(naming::read_page(bytes));
    drop(Heard::read(bytes));
    drop(config::fetched(&answer));
    drop(config::changed(bytes));
    drop(config::done(&answer, Some("")));
    drop(auth::token_in(bytes));
    drop(proxy::message(&reply(StatusCode::INTERNAL_SERVER_ERROR)));
    #[cfg(any(test, feature = "maintainer"))]
    crate::maintainer::read_as_everything(&answer);
    if let Ok(packet) = udp::read(bytes) {
        let answered = udp::acknowledgement(&packet, String::new);
        let read: Result<serde_json::Value, _> = serde_json::from_slice(&answered);
        assert!(read.is_ok_and(|read| read.is_object()), "an acknowledgement is JSON");
    }
}
