//! One question to another server: connect, introduce, wait until it knows us, ask, hear the answer, close.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{Method, Request};
use nacrite_wire::client::connection::ConnectionSetupRequest;
use nacrite_wire::client::{Answer, Ask, ErrorResponse};
use nacrite_wire::frame::{self, Compression, Reader};
use nacrite_wire::json;
use nacrite_wire::payload::{Outgoing, Payload};
use tokio::net::TcpStream;

use super::LaneIdentity;
use crate::member::Member;

/// Why another server did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// This server has no identity to show.
    #[error("this server has no identity (identity.key and identity.value) to show to others")]
    NoIdentity,
    /// No connection came about.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It took too long.
    #[error("nothing within {} ms", .0.as_millis())]
    Late(Duration),
    /// It said no.
    #[error("it refuses with {code}: {message}")]
    Refused {
        /// Its number.
        code: i64,
        /// Its words.
        message: String,
    },
    /// What it said is not understood.
    #[error("its answer is not understood: {0}")]
    Answer(String),
}

fn broken(error: &h2::Error) -> LaneError {
    LaneError::Broken(error.to_string())
}

/// Asks. Never ends by itself if the other side is silent; whoever calls sets the time.
pub(super) async fn ask<A: Ask>(
    member: &Member,
    identity: &LaneIdentity,
    version: &str,
    ask: &A,
) -> Result<A::Answer, LaneError> {
    let authority = member.node_authority();
    let unreachable = |error: std::io::Error| LaneError::Unreachable(error.to_string());
    let socket = TcpStream::connect((member.host.as_str(), member.node_port)).await.map_err(unreachable)?;
    // Without it the question would wait for more data; a socket that refuses the option still works.
    socket.set_nodelay(true).ok();
    let local_ip: Arc<str> = socket.local_addr().map_err(unreachable)?.ip().to_string().into();
    let (requests, http2) = h2::client::handshake(socket).await.map_err(|error| broken(&error))?;
    let lane = Lane { requests, authority, local_ip };
    // The socket is driven beside the conversation, and closed with it.
    tokio::select! {
        ended = http2 => match ended {
            Ok(()) => Err(LaneError::Broken("it closed the connection".to_owned())),
            Err(error) => Err(broken(&error)),
        },
        answer = lane.converse(identity, version, ask) => answer,
    }
}

struct Lane {
    requests: SendRequest<Bytes>,
    authority: String,
    local_ip: Arc<str>,
}

impl Lane {
    async fn converse<A: Ask>(&self, identity: &LaneIdentity, version: &str, ask: &A) -> Result<A::Answer, LaneError> {
        // Held until the answer is there: a stream that is given up would end the connection's registration in some.
        let _stream = self.introduce(version).await?;
        let body = json::bytes(ask).into();
        let mut outgoing = Outgoing::request(A::TYPE, Arc::clone(&self.local_ip), body);
        outgoing.headers.push((identity.key.clone(), identity.value.clone()));
        let (response, mut send) = self.open("/Request/request").await?;
        write(&mut send, outgoing, true)?;
        let response = response.await.map_err(|error| broken(&error))?;
        let message = Incoming::new(response.into_body()).next().await?;
        read_answer::<A>(&message)
    }

    /// Introduces this server, and waits until the other one says that it knows it.
    async fn introduce(&self, version: &str) -> Result<(SendStream<Bytes>, Incoming), LaneError> {
        let (response, mut send) = self.open("/BiRequestStream/requestBiStream").await?;
        let labels = [("source", "cluster"), ("tls.enable", "false")];
        let labels: BTreeMap<String, String> = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        // With an empty table: whoever sends none is not told when it is known (`reference/grpc.md`, 3.4).
        let (abilities, client_version) = (BTreeMap::new(), version);
        let setup =
            ConnectionSetupRequest { client_version, tenant: None, labels: &labels, ability_table: Some(&abilities) };
        let body = json::bytes(&setup).into();
        write(&mut send, Outgoing::request(ConnectionSetupRequest::TYPE, Arc::clone(&self.local_ip), body), false)?;
        let response = response.await.map_err(|error| broken(&error))?;
        let mut incoming = Incoming::new(response.into_body());
        loop {
            let message = incoming.next().await?;
            let payload = Payload::decode(&message).map_err(|error| LaneError::Answer(error.to_string()))?;
            if payload.wire_type == "SetupAckRequest" {
                return Ok((send, incoming));
            }
        }
    }

    async fn open(&self, path: &str) -> Result<(h2::client::ResponseFuture, SendStream<Bytes>), LaneError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}{path}", self.authority))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(())
            .map_err(|error| LaneError::Unreachable(error.to_string()))?;
        let mut requests = self.requests.clone().ready().await.map_err(|error| broken(&error))?;
        requests.send_request(request, false).map_err(|error| broken(&error))
    }
}

/// Questions of nodes are far shorter than the window that every HTTP/2 server grants.
fn write(send: &mut SendStream<Bytes>, outgoing: Outgoing, is_last: bool) -> Result<(), LaneError> {
    let (head, body) = frame::pieces(outgoing);
    let head_is_last = is_last && body.is_none();
    send.send_data(head, head_is_last).map_err(|error| broken(&error))?;
    match body {
        Some(body) => send.send_data(body, is_last).map_err(|error| broken(&error)),
        None => Ok(()),
    }
}

/// The messages of a stream. Their length is bounded by the reader.
struct Incoming {
    recv: RecvStream,
    reader: Reader,
}

impl Incoming {
    fn new(recv: RecvStream) -> Self {
        Self { recv, reader: Reader::new(Compression::None) }
    }

    async fn next(&mut self) -> Result<Bytes, LaneError> {
        loop {
            if let Some(message) = self.reader.next_message().map_err(|error| LaneError::Answer(error.to_string()))? {
                return Ok(message);
            }
            let Some(piece) = self.recv.data().await else {
                return Err(LaneError::Broken("it ended the stream".to_owned()));
            };
            let piece = piece.map_err(|error| broken(&error))?;
            // The window is ours to give back; a stream that ended meanwhile needs none.
            self.recv.flow_control().release_capacity(piece.len()).ok();
            if let Some(message) = self.reader.push(&piece) {
                return Ok(message);
            }
        }
    }
}

fn read_answer<A: Ask>(message: &[u8]) -> Result<A::Answer, LaneError> {
    let payload = Payload::decode(message).map_err(|error| LaneError::Answer(error.to_string()))?;
    let unreadable = |error: nacrite_base::Fault| LaneError::Answer(error.to_string());
    if payload.wire_type == ErrorResponse::TYPE {
        let answer: ErrorResponse = json::read(payload.body).map_err(unreadable)?;
        return Err(refused(&answer));
    }
    let answer: A::Answer = json::read(payload.body).map_err(unreadable)?;
    if answer.head().is_success() { Ok(answer) } else { Err(refused(&answer)) }
}

fn refused(answer: &impl Answer) -> LaneError {
    let head = answer.head();
    LaneError::Refused { code: head.error_code, message: head.message.unwrap_or_default().to_owned() }
}
