//! The stream of a connection: the client introduces itself on it and answers pushes, the server pushes.
//!
//! What is to be sent is fetched from the outbox only when the client has room for it, so a client that does not read
//! costs nothing but the entries in its outbox.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use nacrite_app::connections::{Connection, Introduction};
use nacrite_http2::{Reason, Server, StreamId};
use nacrite_wire::frame::{self, Compression, Reader};
use nacrite_wire::json;
use nacrite_wire::payload::Payload;
use nacrite_wire::rpc::connection::ConnectionSetupRequest;
use tracing::debug;

use crate::push;
use crate::status::Status;
use crate::table::Table;

/// What is left of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It goes on.
    Open,
    /// It goes on; something is due for which the client has no room.
    Full,
    /// It is over. The connection stays registered (recorded: `conn-half-close`).
    Over,
}

/// The stream of a connection.
pub(crate) struct BiStream {
    id: StreamId,
    reader: Reader,
}

impl BiStream {
    pub(crate) fn new(id: StreamId, compression: Compression) -> Self {
        Self { id, reader: Reader::new(compression) }
    }

    pub(crate) fn id(&self) -> StreamId {
        self.id
    }

    /// Takes a piece that the client sent. Returns what is left of the stream.
    pub(crate) fn take(
        &mut self,
        piece: &Bytes,
        ended: bool,
        http2: &mut Server,
        table: &Table,
        connection: &Arc<Connection>,
    ) -> Left {
        let mut message = self.reader.push(piece);
        loop {
            let Some(whole) = message else {
                match self.reader.next_message() {
                    Ok(Some(whole)) => {
                        message = Some(whole);
                        continue;
                    }
                    Ok(None) => break,
                    Err(reason) => {
                        debug!(connection = %connection.id, %reason, "stream broke");
                        http2.reset(self.id, Reason::Cancel);
                        return Left::Over;
                    }
                }
            };
            if let Err(status) = taken(&whole, table, connection) {
                self.end(&status, http2);
                return Left::Over;
            }
            message = None;
        }
        if ended {
            self.end(&Status::OK, http2);
            return Left::Over;
        }
        Left::Open
    }

    /// Sends what is due, as far as the client has room.
    pub(crate) fn send_due(
        &mut self,
        cx: &mut Context<'_>,
        http2: &mut Server,
        table: &Table,
        connection: &Arc<Connection>,
        local_ip: &Arc<str>,
    ) -> Left {
        loop {
            http2.flush();
            if !http2.is_clear(self.id) {
                connection.blocked(table.app.clock.now());
                return Left::Full;
            }
            connection.unblocked();
            match connection.outbox.poll_due(cx) {
                Poll::Pending => return Left::Open,
                Poll::Ready(None) => {
                    self.end(&Status::OK, http2);
                    return Left::Over;
                }
                Poll::Ready(Some(due)) => {
                    if let Some(outgoing) = push::outgoing(table, connection, local_ip, due) {
                        connection.traffic.went(outgoing.encoded_len());
                        let (head, body) = frame::pieces(outgoing);
                        http2.send(self.id, head);
                        body.into_iter().for_each(|body| http2.send(self.id, body));
                    }
                }
            }
        }
    }

    /// Ends the stream. A client that is gone already needs no status.
    pub(crate) fn end(&self, status: &Status, http2: &mut Server) {
        http2.finish(self.id, status.trailers());
    }
}

/// Takes one message. What is neither an introduction nor an answer is ignored, as Nacos does (recorded:
/// `conn-unknown-type`).
fn taken(message: &[u8], table: &Table, connection: &Arc<Connection>) -> Result<(), Status> {
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
