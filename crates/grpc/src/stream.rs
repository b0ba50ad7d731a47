//! The stream of a connection: the client introduces itself on it and answers pushes, the server pushes.
//!
//! What is to be sent is fetched from the outbox only when the client has room for it, so a client that does not read
//! costs nothing but the entries in its outbox.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue};
use nacrite_app::connections::{Connection, Introduction};
use nacrite_wire::frame::{self, Compression, FrameError, Reader};
use nacrite_wire::json;
use nacrite_wire::payload::Payload;
use nacrite_wire::rpc::connection::ConnectionSetupRequest;
use tracing::debug;

use crate::connection::{Status, trailers};
use crate::push;
use crate::table::Table;

/// What is left of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It goes on.
    Open,
    /// It is over. The connection stays registered (recorded: `conn-half-close`).
    Over,
}

/// The stream of a connection.
pub(crate) struct BiStream {
    recv: RecvStream,
    reader: Reader,
    send: SendStream<Bytes>,
    /// Pieces of the message that is being sent.
    writing: VecDeque<Bytes>,
}

impl BiStream {
    pub(crate) fn new(recv: RecvStream, compression: Compression, send: SendStream<Bytes>) -> Self {
        Self { recv, reader: Reader::new(compression), send, writing: VecDeque::new() }
    }

    /// Takes what the client sent and sends what is due. Returns what is left of the stream and whether anything
    /// happened.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        table: &Table,
        connection: &Arc<Connection>,
        local_ip: &Arc<str>,
    ) -> (Left, bool) {
        let mut happened = false;
        loop {
            match self.poll_message(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(Some(message))) => {
                    happened = true;
                    if let Err(status) = self.take(&message, table, connection) {
                        self.end(&status);
                        return (Left::Over, true);
                    }
                }
                Poll::Ready(Ok(None)) => {
                    self.end(&Status::OK);
                    return (Left::Over, true);
                }
                Poll::Ready(Err(reason)) => {
                    debug!(connection = %connection.id, %reason, "stream broke");
                    self.send.send_reset(h2::Reason::CANCEL);
                    return (Left::Over, true);
                }
            }
        }
        let (left, sent) = self.send_due(cx, table, connection, local_ip);
        (left, happened || sent)
    }

    /// The next message of the client; `None` when it said its last.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, FrameError>> {
        loop {
            if let Some(message) = self.reader.next_message()? {
                return Poll::Ready(Ok(Some(message)));
            }
            match self.recv.poll_data(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(FrameError::Truncated)),
                Poll::Ready(Some(Ok(piece))) => {
                    // The window is ours to give back; a stream that ended meanwhile needs none.
                    self.recv.flow_control().release_capacity(piece.len()).ok();
                    if let Some(message) = self.reader.push(&piece) {
                        return Poll::Ready(Ok(Some(message)));
                    }
                }
            }
        }
    }

    /// Takes one message. What is neither an introduction nor an answer is ignored, as Nacos does (recorded:
    /// `conn-unknown-type`).
    fn take(&mut self, message: &[u8], table: &Table, connection: &Arc<Connection>) -> Result<(), Status> {
        connection.traffic.came(message.len());
        let Ok(payload) = Payload::decode(message) else {
            return Ok(());
        };
        if payload.wire_type == "ConnectionSetupRequest" {
            let setup: ConnectionSetupRequest<'_> = match json::read(payload.body) {
                Ok(setup) => setup,
                // A setup that cannot be read ends the stream (recorded: `conn-labels-missing`).
                Err(_) => return Err(Status::unknown("the setup of the connection cannot be read")),
            };
            let said = introduction(&setup, &payload);
            if let Err(reason) = table.app.introduce(connection, said) {
                // The reason goes with the end of the stream, where every client logs it; the connection follows.
                connection.close.cancel();
                return Err(Status::unavailable(&reason));
            }
        } else if payload.wire_type.ends_with("Response") {
            push::answered(table, connection, payload.body);
        }
        Ok(())
    }

    fn send_due(
        &mut self,
        cx: &mut Context<'_>,
        table: &Table,
        connection: &Arc<Connection>,
        local_ip: &Arc<str>,
    ) -> (Left, bool) {
        let mut sent = false;
        loop {
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(())) => return (Left::Over, true),
                Poll::Pending => {
                    connection.blocked(table.app.clock.now());
                    return (Left::Open, sent);
                }
            }
            connection.unblocked();
            match connection.outbox.poll_due(cx) {
                Poll::Pending => return (Left::Open, sent),
                Poll::Ready(None) => {
                    self.end(&Status::OK);
                    return (Left::Over, true);
                }
                Poll::Ready(Some(due)) => {
                    if let Some(outgoing) = push::outgoing(table, connection, local_ip, due) {
                        connection.traffic.went(outgoing.encoded_len());
                        let (head, body) = frame::pieces(outgoing);
                        self.writing.push_back(head);
                        self.writing.extend(body);
                        sent = true;
                    }
                }
            }
        }
    }

    /// Sends what is being written, as far as the client has room.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        write_pieces(&mut self.send, &mut self.writing, cx)
    }

    /// Ends the stream. A client that is gone already needs no status.
    pub(crate) fn end(&mut self, status: &Status) {
        self.send.send_trailers(trailers(status)).ok();
    }
}

/// Sends pieces as far as the other side has room; ends when all are sent.
pub(crate) fn write_pieces(
    send: &mut SendStream<Bytes>,
    pieces: &mut VecDeque<Bytes>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), ()>> {
    while let Some(piece) = pieces.front_mut() {
        if piece.is_empty() {
            pieces.pop_front();
            continue;
        }
        send.reserve_capacity(piece.len());
        let room = match send.capacity() {
            0 => match send.poll_capacity(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(room))) => room,
                Poll::Ready(_) => return Poll::Ready(Err(())),
            },
            room => room,
        };
        let part = piece.split_to(room.min(piece.len()));
        if send.send_data(part, false).is_err() {
            return Poll::Ready(Err(()));
        }
    }
    Poll::Ready(Ok(()))
}

/// What the client says about itself. The address in the envelope is taken as it is (recorded: `conn-client-ip`).
fn introduction(setup: &ConnectionSetupRequest<'_>, payload: &Payload<'_>) -> Introduction {
    let labels = setup.labels.iter().filter_map(|(key, value)| Some((key.as_ref().into(), value.as_deref()?.into())));
    Introduction {
        client_ip: payload.client_ip.into(),
        version: setup.client_version.as_deref().unwrap_or_default().into(),
        tenant: setup.tenant.as_deref().map(Into::into),
        labels: labels.collect(),
        negotiates: setup.ability_table.is_some(),
    }
}

/// The headers of a stream that is open.
pub(crate) fn open_headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers
}
