//! Between the socket and HTTP/2. What is read goes through a buffer of the thread, so that an idle connection has none.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nacrite_http2::{Event, Fault, Server};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that are read at once.
const READ_LEN: usize = 32 * 1024;

/// Pieces that are written at once.
const PIECES: usize = 16;

/// What a thread lends to the connection that it runs.
struct Scratch {
    buffer: Box<[u8; READ_LEN]>,
    events: Vec<Event>,
}

thread_local! {
    static SCRATCH: Cell<Option<Scratch>> = const { Cell::new(None) };
}

/// What reading came to.
pub(crate) enum Read {
    /// The client did this. There may be more.
    Events(Vec<Event>),
    /// The client said its last.
    End,
}

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("{0}")]
    Client(#[from] Fault),
}

/// Reads once. The events are to be given back with [`give_back`] when they were looked at.
pub(crate) fn poll_read(
    socket: &mut TcpStream,
    http2: &mut Server,
    cx: &mut Context<'_>,
) -> Poll<(Read, Option<Broken>)> {
    let scratch = SCRATCH.take();
    let Scratch { mut buffer, mut events } =
        scratch.unwrap_or_else(|| Scratch { buffer: Box::new([0; READ_LEN]), events: Vec::new() });
    let mut unread = ReadBuf::new(&mut buffer[..]);
    let polled = Pin::new(socket).poll_read(cx, &mut unread);
    let outcome = match polled {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Err(error)) => Poll::Ready((Read::End, Some(error.into()))),
        Poll::Ready(Ok(())) if unread.filled().is_empty() => Poll::Ready((Read::End, None)),
        Poll::Ready(Ok(())) => {
            let received = http2.receive(unread.filled(), &mut events);
            Poll::Ready((Read::Events(std::mem::take(&mut events)), received.err().map(Into::into)))
        }
    };
    SCRATCH.set(Some(Scratch { buffer, events }));
    outcome
}

/// Takes the room of events back for the next read of this thread.
pub(crate) fn give_back(mut events: Vec<Event>) {
    events.clear();
    if let Some(scratch) = SCRATCH.take() {
        SCRATCH.set(Some(Scratch { events, ..scratch }));
    }
}

/// Writes until everything is written. Returns how much that was.
pub(crate) fn poll_write(socket: &mut TcpStream, http2: &mut Server, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut written = 0;
    while http2.output_len() > 0 {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let count = http2.output(&mut slices);
        let socket = Pin::new(&mut *socket);
        let polled = match &slices[..count] {
            // The cheaper call; nearly every answer is one piece.
            [piece] => socket.poll_write(cx, piece),
            pieces => socket.poll_write_vectored(cx, pieces),
        };
        let len = ready!(polled)?;
        if len == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        http2.written(len);
        written += len;
    }
    Poll::Ready(Ok(written))
}
