//! One unary call, and how it can end.

use std::io::ErrorKind;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Response, StatusCode};
use nacrite_wire::frame::{self, Compression, FrameError, Reader};
use nacrite_wire::payload::Outgoing;

/// Statuses of gRPC that are told apart here.
mod status {
    pub(super) const OK: u32 = 0;
    pub(super) const UNKNOWN: u32 = 2;
    pub(super) const UNIMPLEMENTED: u32 = 12;
    pub(super) const UNAVAILABLE: u32 = 14;
}

/// How a call ended, if without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// It was never sent. The connection takes nothing more.
    Unsent(String),
    /// The server refused to read it. The connection may be good.
    Unread(String),
    /// The connection broke. Whether the server acted is not known.
    Broken(String),
    /// The call alone broke. Whether the server acted is not known.
    Interrupted(String),
    /// The server does not have such calls.
    Unimplemented(String),
    /// The server ended the call with a status.
    Status { code: u32, message: String },
    /// What came is no message.
    Undecodable(String),
}

impl From<FrameError> for CallError {
    fn from(error: FrameError) -> Self {
        Self::Undecodable(error.to_string())
    }
}

/// How an error of HTTP/2 ended a call whose request had been handed over.
fn broken(error: &h2::Error) -> CallError {
    if error.reason() == Some(h2::Reason::REFUSED_STREAM) {
        CallError::Unread(described(error))
    } else if error.is_reset() {
        CallError::Interrupted(described(error))
    } else {
        CallError::Broken(described(error))
    }
}

/// An error of HTTP/2 in words. That of a broken socket is the system's own.
pub(crate) fn described(error: &h2::Error) -> String {
    match error.get_io() {
        Some(io) if io.kind() == ErrorKind::BrokenPipe => "the other side closed the connection".to_owned(),
        Some(io) => io.to_string(),
        None => error.to_string(),
    }
}

/// Hands a request over.
pub(super) fn send(send: &mut SendStream<Bytes>, outgoing: Outgoing, end: bool) -> Result<(), CallError> {
    let (head, body) = frame::pieces(outgoing);
    let has_body = body.is_some();
    send.send_data(head, end && !has_body).map_err(|error| broken(&error))?;
    if let Some(body) = body {
        send.send_data(body, end).map_err(|error| broken(&error))?;
    }
    Ok(())
}

/// Waits for the one message that answers a call.
pub(super) async fn answer(response: ResponseFuture) -> Result<Bytes, CallError> {
    let response = response.await.map_err(|error| broken(&error))?;
    let (mut recv, compression) = opened(response)?;
    let mut reader = Reader::new(compression);
    let mut message = None;
    while let Some(piece) = recv.data().await {
        let piece = piece.map_err(|error| broken(&error))?;
        // The window is ours to give back; a call that ended meanwhile needs none.
        recv.flow_control().release_capacity(piece.len()).ok();
        if message.is_none() {
            message = match reader.push(&piece) {
                Some(whole) => Some(whole),
                None => reader.next_message()?,
            };
        }
    }
    let trailers = recv.trailers().await.map_err(|error| broken(&error))?;
    if let Some(error) = trailers.as_ref().and_then(refusal) {
        return Err(error);
    }
    message.ok_or_else(|| CallError::Undecodable("the call ended without an answer".to_owned()))
}

/// What comes after the head of a response, and how it is compressed.
pub(super) fn opened(response: Response<RecvStream>) -> Result<(RecvStream, Compression), CallError> {
    if let Some(error) = refusal(response.headers()) {
        return Err(error);
    }
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    if response.status() != StatusCode::OK {
        // Not a word of gRPC's: something between answers in its place.
        let message = format!("HTTP status {}, from a proxy or another kind of server", response.status().as_u16());
        return Err(match response.status() {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                CallError::Interrupted(message)
            }
            _ => CallError::Status { code: status::UNKNOWN, message },
        });
    }
    if let Some(kind) = header("content-type").filter(|kind| !kind.starts_with("application/grpc")) {
        return Err(CallError::Undecodable(format!("the answer is {kind}, not gRPC")));
    }
    let compression = Compression::from_header(header("grpc-encoding"));
    let compression = compression.ok_or_else(|| CallError::from(FrameError::UnknownCompression))?;
    Ok((response.into_body(), compression))
}

/// The failure that a status tells; `None` for success and where there is no status.
pub(super) fn refusal(headers: &HeaderMap) -> Option<CallError> {
    let code: u32 = headers.get("grpc-status")?.to_str().ok()?.parse().unwrap_or(status::UNKNOWN);
    let message = headers.get("grpc-message").map(|value| percent_decoded(value.as_bytes())).unwrap_or_default();
    match code {
        status::OK => None,
        status::UNAVAILABLE => Some(CallError::Interrupted(message)),
        status::UNIMPLEMENTED => Some(CallError::Unimplemented(message)),
        code => Some(CallError::Status { code, message }),
    }
}

/// A text as gRPC puts it into a header.
fn percent_decoded(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = || u8::from_str_radix(std::str::from_utf8(after.get(..2)?).ok()?, 16).ok();
        match (*byte == b'%').then(escaped).flatten() {
            Some(decoded) => {
                out.push(decoded);
                rest = &after[2..];
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_status_is_read_with_its_words() {
        let mut headers = HeaderMap::new();
        assert_eq!(refusal(&headers), None);
        headers.insert("grpc-status", HeaderValue::from_static("0"));
        assert_eq!(refusal(&headers), None);
        headers.insert("grpc-status", HeaderValue::from_static("8"));
        headers.insert("grpc-message", HeaderValue::from_static("100 %25 sch%C3%B6n%"));
        let told = CallError::Status { code: 8, message: "100 % schön%".to_owned() };
        assert_eq!(refusal(&headers), Some(told));
    }
}
