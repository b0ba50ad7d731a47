//! A stream in both directions: messages of the server in their order, messages of ours as it has room for them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use nacrite_wire::frame::{self, Reader};
use nacrite_wire::payload::Outgoing;

use super::call::{self, CallError, described};

/// A stream that is open on our side.
pub(crate) struct Stream {
    send: SendStream<Bytes>,
    receiving: Receiving,
}

/// The server's side of the stream. It may stay silent until it has heard us.
enum Receiving {
    Opening(ResponseFuture),
    Open(RecvStream, Reader),
}

impl Stream {
    pub(super) fn new(send: SendStream<Bytes>, response: ResponseFuture) -> Self {
        Self { send, receiving: Receiving::Opening(response) }
    }

    /// The next message; an error is the end of the stream, in words. Nothing is lost if it is not waited for to the end.
    pub(crate) async fn next(&mut self) -> Result<Bytes, String> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, String>> {
        loop {
            let (recv, reader) = match &mut self.receiving {
                Receiving::Open(recv, reader) => (recv, reader),
                Receiving::Opening(response) => {
                    let response = ready!(Pin::new(response).poll(cx)).map_err(|error| described(&error))?;
                    let (recv, compression) = call::opened(response).map_err(|error| in_words(&error))?;
                    self.receiving = Receiving::Open(recv, Reader::new(compression));
                    continue;
                }
            };
            if let Some(message) = reader.next_message().map_err(|error| error.to_string())? {
                return Poll::Ready(Ok(message));
            }
            match ready!(recv.poll_data(cx)) {
                Some(Ok(piece)) => {
                    // The window is ours to give back; a stream that ended meanwhile needs none.
                    recv.flow_control().release_capacity(piece.len()).ok();
                    if let Some(message) = reader.push(&piece) {
                        return Poll::Ready(Ok(message));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(described(&error))),
                None => {
                    let trailers = ready!(recv.poll_trailers(cx)).map_err(|error| described(&error))?;
                    let refusal = trailers.as_ref().and_then(call::refusal);
                    let cause = refusal.map_or_else(|| "the server ended the stream".to_owned(), |it| in_words(&it));
                    return Poll::Ready(Err(cause));
                }
            }
        }
    }

    /// Sends a message; waits while the server does not read.
    pub(crate) async fn say(&mut self, outgoing: Outgoing) -> Result<(), String> {
        let (head, body) = frame::pieces(outgoing);
        let mut pieces: VecDeque<Bytes> = std::iter::once(head).chain(body).collect();
        poll_fn(|cx| self.poll_say(&mut pieces, cx)).await
    }

    fn poll_say(&mut self, pieces: &mut VecDeque<Bytes>, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        while let Some(piece) = pieces.front_mut() {
            if piece.is_empty() {
                pieces.pop_front();
                continue;
            }
            self.send.reserve_capacity(piece.len());
            let room = match self.send.capacity() {
                0 => match ready!(self.send.poll_capacity(cx)) {
                    Some(room) => room.map_err(|error| described(&error))?,
                    None => return Poll::Ready(Err("the stream is closed".to_owned())),
                },
                room => room,
            };
            let part = piece.split_to(room.min(piece.len()));
            self.send.send_data(part, false).map_err(|error| described(&error))?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Why the server ended the stream.
fn in_words(error: &CallError) -> String {
    match error {
        CallError::Unsent(cause)
        | CallError::Unread(cause)
        | CallError::Broken(cause)
        | CallError::Undecodable(cause) => cause.clone(),
        CallError::Interrupted(cause) if cause.is_empty() => "the server is not available".to_owned(),
        CallError::Interrupted(cause) => format!("the server says: {cause}"),
        CallError::Unimplemented(cause) => format!("the server has no such stream: {cause}"),
        CallError::Status { code, message } => format!("gRPC status {code}: {message}"),
    }
}
