//! Reads what a server pushes, in its order, and answers on the stream that brought it.
//!
//! The link's own pushes are handled here, others by the handlers that were set before the first connection. Nothing that
//! arrives can change the state of the link, but the end of the stream and the server's wish that its client leave.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nacrite_wire::client::connection::ConnectResetRequest;
use nacrite_wire::client::{Ack as AckBody, Answer, ErrorResponse, PushHead};
use nacrite_wire::codes::{result, rpc};
use nacrite_wire::json;
use nacrite_wire::payload::{Outgoing, Payload};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::link::connection::Activity;
use crate::link::phase::Redirect;
use crate::link::signals::Signals;
use crate::link::{Ack, PushHandler};
use crate::metrics::Meter;
use crate::session::Generation;
use crate::transport::{Channel, Stream};

/// Asks whether the client is still there.
const DETECTION: &str = "ClientDetectionRequest";

/// Sends the client elsewhere.
const RESET: &str = "ConnectResetRequest";

/// Tells what the server can do; read while the connection is made, and of no interest later.
const SETUP_ACK: &str = "SetupAckRequest";

/// A server that does not take an answer in this time has given the push up, and will not be read by us for ever.
const ACK_WITHIN: Duration = Duration::from_secs(10);

/// What the task that reads a connection needs.
pub(super) struct Pushes {
    pub(super) generation: Generation,
    pub(super) stream: Stream,
    pub(super) channel: Channel,
    pub(super) handlers: Arc<[Arc<dyn PushHandler>]>,
    pub(super) signals: Arc<Signals>,
    pub(super) activity: Arc<Activity>,
    pub(super) meter: Arc<Meter>,
}

impl Pushes {
    /// Reads until the stream ends or the connection is closed.
    pub(super) async fn run(mut self: Box<Self>) {
        let (generation, close) = (self.generation, self.channel.close.clone());
        // Told in any case: a handler that panics must not leave a connection behind that nobody reads.
        let mut end = End { generation, signals: Arc::clone(&self.signals), cause: None };
        tokio::select! {
            biased;
            () = close.cancelled() => end.cause = Some("it was closed".to_owned()),
            cause = self.read() => end.cause = Some(cause),
        }
    }

    /// Reads until the stream ends, and tells how it did.
    async fn read(&mut self) -> String {
        loop {
            let message = match self.stream.next().await {
                Ok(message) => message,
                Err(cause) => return cause,
            };
            self.activity.touch();
            let Some((wire_type, body)) = self.take(&message) else { continue };
            // As on requests, the address stands for the client; some servers look for it.
            let ack = Outgoing::request(wire_type, Arc::clone(&self.channel.local_ip), body);
            match timeout(ACK_WITHIN, self.stream.say(ack)).await {
                Ok(Ok(())) => {}
                Ok(Err(cause)) => return cause,
                Err(_) => return "the server does not read what it asked for".to_owned(),
            }
        }
    }

    /// Takes one message and returns the answer, if it has one.
    fn take(&self, message: &[u8]) -> Option<(&'static str, Bytes)> {
        let payload = match Payload::decode(message) {
            Ok(payload) => payload,
            Err(error) => {
                warn!(generation = %self.generation, %error, "a push cannot be read");
                return None;
            }
        };
        let ack = self.handled(payload.wire_type, payload.body)?;
        // A push whose id cannot be read is answered all the same: there is nothing else to tell.
        let head: PushHead = json::read(payload.body).unwrap_or_default();
        Some(answered(head.request_id.as_deref().unwrap_or_default(), ack))
    }

    fn handled(&self, wire_type: &str, body: &[u8]) -> Option<Ack> {
        match wire_type {
            DETECTION => return Some(Ack { wire_type: "ClientDetectionResponse", result: Ok(()) }),
            RESET => {
                let to = redirect(body);
                info!(generation = %self.generation, ?to, "the server asks its client to leave");
                self.signals.reset(self.generation, to);
                return Some(Ack { wire_type: "ConnectResetResponse", result: Ok(()) });
            }
            SETUP_ACK => return None,
            _ => {}
        }
        let ack = self.handlers.iter().find_map(|handler| handler.push(self.generation, wire_type, body));
        self.meter.pushes.add_one();
        if ack.as_ref().is_none_or(|ack| ack.result.is_err()) {
            self.meter.pushes_refused.add_one();
        }
        if ack.is_none() {
            debug!(generation = %self.generation, wire_type, "nobody takes a push of this type");
        }
        ack
    }
}

/// Where the server wants its client to go. An address that cannot be read is none.
pub(super) fn redirect(body: &[u8]) -> Option<Redirect> {
    let wish: ConnectResetRequest = json::read(body).ok()?;
    let ip = wish.server_ip?.trim().parse().ok()?;
    let port = wish.server_port.and_then(|port| port.trim().parse().ok());
    Some(Redirect { ip, port })
}

/// The answer to a push.
fn answered(request_id: &str, ack: Ack) -> (&'static str, Bytes) {
    match ack.result {
        Ok(()) => {
            let body = AckBody {
                request_id,
                result_code: result::SUCCESS.into(),
                error_code: 0,
                success: true,
                message: None,
            };
            (ack.wire_type, json::bytes(&body).into())
        }
        Err(message) => {
            let error_code = rpc::CLIENT_ERROR.into();
            let (result_code, message) = (result::FAIL.into(), Some(message.as_str()));
            let body = AckBody { request_id, result_code, error_code, success: false, message };
            (ErrorResponse::TYPE, json::bytes(&body).into())
        }
    }
}

/// Tells that the stream is no longer read, however that came about.
struct End {
    generation: Generation,
    signals: Arc<Signals>,
    cause: Option<String>,
}

impl Drop for End {
    fn drop(&mut self) {
        let cause = self.cause.take().unwrap_or_else(|| "a handler of pushes panicked".to_owned());
        self.signals.ended(self.generation, cause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_to_leave_may_say_where_to() {
        let to = |body: &str| redirect(body.as_bytes()).map(|to| (to.ip.to_string(), to.port));
        assert_eq!(to(r#"{"serverIp":"10.0.0.2","serverPort":"8848"}"#), Some(("10.0.0.2".into(), Some(8848))));
        assert_eq!(to(r#"{"serverIp":"10.0.0.2","serverPort":8848}"#), Some(("10.0.0.2".into(), Some(8848))));
        assert_eq!(to(r#"{"serverIp":"::1"}"#), Some(("::1".into(), None)));
        for nowhere in ["{}", r#"{"serverIp":null}"#, r#"{"serverIp":""}"#, r#"{"serverIp":"nacos-1"}"#, "", "[]", "7"]
        {
            assert_eq!(to(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn a_failure_is_answered_as_such() {
        let (wire_type, body) = answered("7", Ack { wire_type: "X", result: Err("too much".into()) });
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((wire_type, &body["errorCode"], &body["requestId"]), ("ErrorResponse", &(-500).into(), &"7".into()));
        let (wire_type, body) = answered("8", Ack { wire_type: "X", result: Ok(()) });
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((wire_type, &body["resultCode"], &body["requestId"]), ("X", &200.into(), &"8".into()));
    }
}
