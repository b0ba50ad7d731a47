//! One connection: a task that owns the socket and everything on it.
//!
//! Requests that arrived together are answered together, with one write to the socket: first everything that has arrived is
//! taken and answered, then what is due to the client is added, then the socket is written. A request that needs no disk is
//! answered where it is read, without another task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, Stream};
use nacrite_app::connections::Connection;
use nacrite_http2::{Event, Server, StreamId};
use nacrite_wire::frame::{self, Compression, FrameError, Reader};
use nacrite_wire::payload::Outgoing;
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{debug, info};

use crate::calls::{self, Outcome};
use crate::listener::STREAMS_MAX;
use crate::socket::{self, Broken, Read};
use crate::status::{self, Status};
use crate::stream::{BiStream, Left};
use crate::table::Table;
use crate::wakes::Wakes;

/// A client that does not introduce itself may stay this long without asking anything.
const UNREGISTERED_MAX: Duration = Duration::from_secs(60);

/// A connection that is to be closed may finish what runs on it for this long.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// Bytes of answers that may wait until the client reads them: three of the longest. Beyond it the client is ejected; a
/// single answer always may wait.
const UNSENT_LEN_MAX: usize = 3 * frame::MESSAGE_LEN_MAX;

/// Bytes of messages of which a part has arrived: three of the longest. Beyond it the call whose message grows is refused,
/// unless it is the only one: a client that never ends its messages costs no more than this.
const UNFINISHED_LEN_MAX: usize = 3 * frame::MESSAGE_LEN_MAX;

/// Calls that may be answered later at one time. A client that gives calls up may begin others, but what it began runs on:
/// from here on nothing more of it is read until some have ended.
const ANSWERING_MAX: usize = STREAMS_MAX as usize;

/// Characters of a method that nobody serves which are told back.
const METHOD_CHARS_MAX: usize = 128;

/// A call whose message has not arrived whole.
struct Upload {
    stream: StreamId,
    reader: Reader,
    /// Bytes of it that have arrived.
    len: usize,
}

type Answering = BoxFuture<'static, (StreamId, Outgoing)>;

/// Everything on one connection.
pub(crate) struct Driver {
    socket: TcpStream,
    http2: Server,
    table: Arc<Table>,
    connection: Arc<Connection>,
    local_ip: Arc<str>,
    uploads: Vec<Upload>,
    /// Bytes of all uploads.
    unfinished_len: usize,
    answering: FuturesUnordered<Answering>,
    stream: Option<BiStream>,
    /// Ends when the connection is to be closed.
    close: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Set while the client has not introduced itself, and again once the connection is closing.
    patience: Option<Pin<Box<Sleep>>>,
    closing: bool,
    wakes: Arc<Wakes>,
}

impl Driver {
    pub(crate) fn new(
        socket: TcpStream,
        http2: Server,
        table: Arc<Table>,
        connection: Arc<Connection>,
        local_ip: Arc<str>,
    ) -> Self {
        let close = Box::pin(connection.close.clone().cancelled_owned());
        Self {
            socket,
            http2,
            table,
            connection,
            local_ip,
            uploads: Vec::new(),
            unfinished_len: 0,
            answering: FuturesUnordered::new(),
            stream: None,
            close,
            patience: Some(Box::pin(tokio::time::sleep(UNREGISTERED_MAX))),
            closing: false,
            wakes: Wakes::new(),
        }
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Everything that may wake this task is looked at below, so what woke it until now is no reason to come again.
            self.wakes.heard();
            if self.poll_end(cx).is_ready() {
                return Poll::Ready(());
            }
            self.poll_answers(cx);
            let is_over = self.poll_read(cx).is_ready();
            let held_back = !self.may_read();
            let is_broken = self.poll_send(cx).is_ready();
            if is_over || is_broken || self.http2.is_over() {
                return Poll::Ready(());
            }
            if !(held_back && self.may_read()) {
                return Poll::Pending;
            }
        }
    }

    /// Ends when the connection must end, whatever runs on it.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.closing && self.close.as_mut().poll(cx).is_ready() {
            self.begin_closing();
        }
        if !self.closing && self.connection.is_registered() {
            self.patience = None;
        }
        let Some(patience) = &mut self.patience else {
            return Poll::Pending;
        };
        ready!(patience.as_mut().poll(cx));
        if self.closing {
            return Poll::Ready(());
        }
        debug!(connection = %self.connection.id, "client never introduced itself");
        self.begin_closing();
        Poll::Pending
    }

    /// Tells the client that the connection ends: the stream by its status, the connection by HTTP/2's own word. An
    /// ejected client gets success, as in Nacos (recorded: `conn-detection-no-ack`). A stop is an error to the client:
    /// some take success for an end that needs nothing of them, and never come back.
    fn begin_closing(&mut self) {
        self.closing = true;
        let stopping = self.table.app.tasks.is_stopping();
        let status = if stopping { Status::unavailable("the server is stopping") } else { Status::OK };
        if let Some(stream) = self.stream.take() {
            stream.end(&status, &mut self.http2);
        }
        self.http2.leave();
        self.patience = Some(Box::pin(tokio::time::sleep(CLOSING_MAX)));
    }

    /// Whether the client may ask for more: not while it does not read, or while much of what it asked for is under way.
    fn may_read(&self) -> bool {
        self.http2.wants_input() && self.answering.len() < ANSWERING_MAX
    }

    /// Takes and answers everything that has arrived; ends when nothing more will.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.may_read() {
            let (read, broken) = ready!(socket::poll_read(&mut self.socket, &mut self.http2, cx));
            if let Read::Events(mut events) = read {
                events.drain(..).for_each(|event| self.take(event));
                socket::give_back(events);
                if broken.is_none() {
                    continue;
                }
            }
            if let Some(error) = broken {
                self.broke(&error);
            }
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Writes what is to be written, and fetches what is due as long as the client has room; ends if the socket does.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.poll_answers(cx);
            let is_full = self.send_due(cx) == Left::Full;
            self.http2.flush();
            match socket::poll_write(&mut self.socket, &mut self.http2, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    self.broke(&error.into());
                    return Poll::Ready(());
                }
                // What still waits, waits for the client.
                Poll::Ready(Ok(written)) if written == 0 || !is_full && self.http2.waiting().1 == 0 => {
                    return Poll::Pending;
                }
                Poll::Ready(Ok(_)) => {}
            }
        }
    }

    fn broke(&self, error: &Broken) {
        debug!(connection = %self.connection.id, %error, "connection broke");
        if matches!(error, Broken::Socket(error) if is_unreachable(error)) {
            self.connection.fell_silent();
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Request { stream, path, encoding, ended } => {
                self.begin(stream, &path, encoding.as_deref());
                if ended {
                    self.take(Event::Data { stream, data: Bytes::new(), ended });
                }
            }
            Event::Data { stream, data, ended } => self.take_piece(stream, &data, ended),
            Event::Reset { stream } => {
                if let Some(at) = self.uploads.iter().position(|upload| upload.stream == stream) {
                    self.forget_upload(at);
                }
                self.stream.take_if(|open| open.id() == stream);
            }
        }
    }

    fn begin(&mut self, stream: StreamId, path: &str, encoding: Option<&str>) {
        let Some(compression) = Compression::from_header(encoding) else {
            return self.refuse(stream, &Status::unimplemented("grpc-encoding is not supported".to_owned()));
        };
        match path {
            "/Request/request" => self.uploads.push(Upload { stream, reader: Reader::new(compression), len: 0 }),
            "/BiRequestStream/requestBiStream" => {
                self.http2.headers(stream, status::open());
                // A second stream takes over: what is due goes where the client looks now.
                if let Some(older) = self.stream.replace(BiStream::new(stream, compression)) {
                    older.end(&Status::OK, &mut self.http2);
                }
            }
            path => {
                // A path may be as long as all fields, is packed into a byte by whoever repeats it, and comes back whole.
                let method: String = path.trim_start_matches('/').chars().take(METHOD_CHARS_MAX).collect();
                self.refuse(stream, &Status::unimplemented(format!("Method not found: {method}")));
            }
        }
    }

    /// Takes a part of a message. What belongs to a call that is answered already is of no use.
    fn take_piece(&mut self, stream: StreamId, piece: &Bytes, ended: bool) {
        if let Some(open) = self.stream.as_mut().filter(|open| open.id() == stream) {
            if open.take(piece, ended, &mut self.http2, &self.table, &self.connection) == Left::Over {
                self.stream = None;
            }
            return;
        }
        let Some(at) = self.uploads.iter().position(|upload| upload.stream == stream) else { return };
        let upload = &mut self.uploads[at];
        let message = match message(&mut upload.reader, piece, ended) {
            Ok(None) => {
                upload.len += piece.len();
                self.unfinished_len += piece.len();
                if self.unfinished_len <= UNFINISHED_LEN_MAX || self.uploads.len() == 1 {
                    return;
                }
                Err(Status::exhausted("too many messages of which only a part has arrived"))
            }
            Ok(Some(message)) => Ok(message),
            Err(error) => Err(error.into()),
        };
        self.forget_upload(at);
        match message {
            Ok(message) => self.answer(stream, &message),
            Err(status) => self.refuse(stream, &status),
        }
    }

    fn forget_upload(&mut self, at: usize) {
        self.unfinished_len -= self.uploads.swap_remove(at).len;
        if self.uploads.is_empty() {
            self.uploads = Vec::new();
        }
    }

    fn answer(&mut self, stream: StreamId, message: &[u8]) {
        match calls::answer(&self.table, &self.connection, message) {
            Ok(Outcome::Now(outgoing)) => self.respond(stream, outgoing),
            Ok(Outcome::Later(answer)) => {
                self.answering.push(Box::pin(async move { (stream, answer.await) }));
            }
            Err(error) => self.refuse(stream, &Status::internal(error.to_string())),
        }
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some((stream, outgoing))) = Pin::new(&mut self.answering).poll_next(cx) {
            self.respond(stream, outgoing);
        }
    }

    /// Sends an answer. A client that gave the call up needs none.
    fn respond(&mut self, stream: StreamId, outgoing: Outgoing) {
        self.connection.traffic.went(outgoing.encoded_len());
        let (head, body) = frame::pieces(outgoing);
        self.http2.headers(stream, status::open());
        self.http2.send(stream, head);
        body.into_iter().for_each(|body| self.http2.send(stream, body));
        self.http2.finish(stream, Status::OK.trailers());
        let (unsent, streams) = self.http2.waiting();
        if unsent > UNSENT_LEN_MAX && streams > 1 && !self.connection.close.is_cancelled() {
            info!(connection = %self.connection.id, unsent, "a client that does not read is ejected");
            self.table.app.metrics.connections_overfull.inc();
            self.connection.close.cancel();
        }
    }

    /// Ends a call with a status alone.
    fn refuse(&mut self, stream: StreamId, status: &Status) {
        self.http2.finish(stream, status.alone());
    }

    fn send_due(&mut self, cx: &mut Context<'_>) -> Left {
        let Some(stream) = &mut self.stream else { return Left::Over };
        let left = stream.send_due(cx, &mut self.http2, &self.table, &self.connection, &self.local_ip);
        if left == Left::Over {
            self.stream = None;
        }
        left
    }
}

/// Runs until the connection is over. A future by itself and no `async fn`: that would hold two copies, of which ten
/// thousand idle connections pay for one.
impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let driver = self.get_mut();
        let wakes = Arc::clone(&driver.wakes);
        wakes.poll(cx, |cx| driver.poll_all(cx))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.table.app.disconnected(&self.connection);
    }
}

/// Whether a socket was given up because the other end is not reached: that end closed nothing.
fn is_unreachable(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable, TimedOut};
    matches!(error.kind(), TimedOut | HostUnreachable | NetworkUnreachable | NetworkDown)
}

/// The one message of a call, if this piece is its last.
fn message(reader: &mut Reader, piece: &Bytes, ended: bool) -> Result<Option<Bytes>, FrameError> {
    if let Some(message) = reader.push(piece) {
        return Ok(Some(message));
    }
    match reader.next_message()? {
        None if ended => Err(FrameError::Truncated),
        message => Ok(message),
    }
}
