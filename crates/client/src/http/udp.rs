//! Pushes over UDP, as servers of the first generation send them: reading, and what is answered.
//!
//! Anybody can send a packet. It is believed when it comes from an address at which a server has answered; from anywhere
//! else it is no more than a reason to ask (servers behind a balancer push past it). Either way it is acknowledged, from the
//! socket that received it, by which the server knows the answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nacrite_wire::client::naming::ServiceInfo;
use nacrite_wire::lenient;
use serde::{Deserialize, Serialize};
use tokio::net::UdpSocket;
use tracing::{debug, warn};

use super::body::{GZIP, gunzip};
use crate::error::Error;
use crate::tasks::Tasks;

/// The largest packet there is.
const PACKET_LEN_MAX: usize = 64 * 1024;

/// After an error, receiving waits this long; the lists are polled meanwhile.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// What a packet may inflate to: a service of some thousand instances.
const INFLATED_LEN_MAX: usize = 4 * 1024 * 1024;

/// What a packet says.
#[derive(Debug, PartialEq)]
pub(crate) enum Push {
    /// A list has changed; it may be unreadable, which is acknowledged all the same, as the list is asked for anyway.
    List(Option<Box<ServiceInfo>>),
    /// The server wants to see what this client holds.
    Dump,
    /// A kind that is not known.
    Other,
}

/// A packet, and by what its acknowledgement is recognised.
#[derive(Debug, PartialEq)]
pub(crate) struct Packet {
    pub(crate) push: Push,
    /// The server's mark of the push, repeated as it came.
    mark: String,
}

/// Reads a packet.
///
/// # Errors
/// [`Error::Undecodable`] if it is none: there is nothing to acknowledge then.
pub(crate) fn read(bytes: &[u8]) -> Result<Packet, Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Body {
        #[serde(rename = "type", deserialize_with = "lenient::owned_text")]
        kind: Option<Box<str>>,
        #[serde(deserialize_with = "lenient::owned_text")]
        data: Option<Box<str>>,
        #[serde(deserialize_with = "lenient::owned_text")]
        last_ref_time: Option<Box<str>>,
    }

    let undecodable = |e: &dyn std::fmt::Display| Error::Undecodable(format!("a packet over UDP: {e}"));
    let inflated;
    let json = if bytes.starts_with(&GZIP) {
        inflated = gunzip(bytes, INFLATED_LEN_MAX).map_err(|_| undecodable(&"gzip is broken"))?;
        &inflated[..]
    } else {
        bytes
    };
    let body: Body = serde_json::from_slice(json).map_err(|e| undecodable(&e))?;
    let push = match body.kind.as_deref() {
        Some("dom" | "service") => Push::List(body.data.and_then(|data| serde_json::from_str(&data).ok())),
        Some("dump") => Push::Dump,
        _ => Push::Other,
    };
    Ok(Packet { push, mark: body.last_ref_time.map(Into::into).unwrap_or_default() })
}

/// The acknowledgement of `packet`; `held` is what this client holds, as JSON, if the server asked for it.
pub(crate) fn acknowledgement(packet: &Packet, held: impl FnOnce() -> String) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        r#type: &'a str,
        last_ref_time: &'a str,
        data: String,
    }

    let (kind, data) = match packet.push {
        Push::List(_) => ("push-ack", String::new()),
        Push::Dump => ("dump-ack", held()),
        Push::Other => ("unknown-ack", String::new()),
    };
    let body = Body { r#type: kind, last_ref_time: &packet.mark, data };
    let mut bytes = serde_json::to_vec(&body).unwrap_or_default();
    if bytes.len() > PACKET_LEN_MAX / 2 {
        // What does not fit into a packet cannot be told: the server learns that the client lives.
        bytes = serde_json::to_vec(&Body { data: String::new(), ..body }).unwrap_or_default();
    }
    bytes
}

/// Who takes the pushes.
pub(crate) trait Taker: Send + Sync + 'static {
    /// Takes a list that `from` sent. In memory only.
    fn take(&self, list: Option<ServiceInfo>, from: IpAddr);

    /// Everything this client holds, as a JSON object of lists.
    fn held(&self) -> String;
}

/// Begins to receive on `port`, 0 for any. Returns the port.
///
/// # Errors
/// [`Error::File`] if the port is taken.
pub(crate) async fn receive(port: u16, taker: Arc<dyn Taker>, tasks: &Tasks) -> Result<u16, Error> {
    let failed = |source| Error::File { what: format!("receiving on UDP port {port}"), source };
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).await.map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?.port();
    let stop = tasks.clone();
    tasks.spawn(async move {
        let mut buffer = vec![0; PACKET_LEN_MAX];
        loop {
            let received = tokio::select! {
                biased;
                () = stop.stopping() => return,
                received = socket.recv_from(&mut buffer) => received,
            };
            match received {
                Ok((len, from)) => answer(&socket, &buffer[..len], from, &*taker).await,
                // Perhaps told of an earlier packet of ours that found nobody, so not the end of this socket; and if it
                // is, then not in a circle without a pause.
                Err(error) => {
                    debug!(%error, "receiving over UDP");
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            }
        }
    });
    Ok(bound)
}

async fn answer(socket: &UdpSocket, bytes: &[u8], from: SocketAddr, taker: &dyn Taker) {
    let packet = match read(bytes) {
        Ok(packet) => packet,
        Err(error) => {
            debug!(%from, %error, "a packet is dropped");
            return;
        }
    };
    let acknowledgement = acknowledgement(&packet, || taker.held());
    if let Push::List(list) = packet.push {
        taker.take(list.map(|list| *list), from.ip());
    }
    if let Err(error) = socket.send_to(&acknowledgement, from).await {
        // The server sends once more in 10 s; the list is already here.
        warn!(%from, %error, "a push could not be acknowledged");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const DOM: &str =
        r#"{"type":"dom","data":"{\"name\":\"G@@a\",\"hosts\":[],\"lastRefTime\":5}","lastRefTime":123456789012}"#;

    fn acked(packet: &Packet) -> String {
        String::from_utf8(acknowledgement(packet, || "{\"G@@a\":{}}".to_owned())).expect("JSON")
    }

    #[test]
    fn lists_are_read_plain_and_packed() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(DOM.as_bytes()).expect("memory takes it");
        for bytes in
            [DOM.as_bytes().to_vec(), encoder.finish().expect("memory takes it"), DOM.replace("dom", "service").into()]
        {
            let packet = read(&bytes).expect("readable");
            assert_eq!(acked(&packet), r#"{"type":"push-ack","lastRefTime":"123456789012","data":""}"#);
            let Push::List(Some(list)) = packet.push else { panic!("not a list") };
            assert_eq!((list.name.as_deref(), list.last_ref_time), (Some("G@@a"), 5));
        }
    }

    #[test]
    fn a_dump_tells_everything_and_the_unknown_is_said_to_be_so() {
        let dump = read(br#"{"type":"dump","data":"","lastRefTime":"7"}"#).expect("readable");
        assert_eq!(acked(&dump), r#"{"type":"dump-ack","lastRefTime":"7","data":"{\"G@@a\":{}}"}"#);
        let large = acknowledgement(&dump, || "x".repeat(PACKET_LEN_MAX));
        assert_eq!(large, br#"{"type":"dump-ack","lastRefTime":"7","data":""}"#);
        let other = read(br#"{"type":"news"}"#).expect("readable");
        assert_eq!(acked(&other), r#"{"type":"unknown-ack","lastRefTime":"","data":""}"#);
    }

    #[test]
    fn broken_packets_and_broken_lists_harm_nobody() {
        for bad in [&b""[..], b"\x1f\x8b\x08", b"hello", b"[1]x"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        let list = read(br#"{"type":"dom","data":"{broken","lastRefTime":1}"#).expect("a packet");
        assert_eq!(list.push, Push::List(None));
    }
}
