//! One connection: a task that owns the socket and everything on it.
//!
//! Requests that arrived together are answered together, with one write to the socket: first every request that has
//! arrived is taken, then all are answered, then the socket is driven again. A request that needs no disk is answered
//! where it is read, without another task.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, Stream};
use h2::server::{Connection as Http2, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use nacrite_app::connections::Connection;
use nacrite_wire::frame::{self, Compression, FrameError, Reader};
use nacrite_wire::payload::Outgoing;
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{debug, info};

use crate::calls::{self, Outcome};
use crate::stream::{BiStream, Left, open_headers, write_pieces};
use crate::table::Table;
use crate::wakes::Wakes;

/// A client that does not introduce itself may stay this long without asking anything.
const UNREGISTERED_MAX: Duration = Duration::from_secs(60);

/// A connection that is to be closed may finish what runs on it for this long.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// Answers up to this size are handed over whole; h2 holds them until the client has room. Larger ones wait here.
const HANDED_OVER_MAX: usize = 16 * 1024;

/// Bytes of answers that may wait until the client reads them: three of the longest. Beyond it the client is ejected; a
/// single answer always may wait.
const UNSENT_LEN_MAX: usize = 3 * frame::MESSAGE_LEN_MAX;

/// How a call or a stream ended, for gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    code: u8,
    message: String,
}

impl Status {
    pub(crate) const OK: Self = Self { code: 0, message: String::new() };

    pub(crate) fn unknown(message: &str) -> Self {
        Self { code: 2, message: message.to_owned() }
    }

    fn exhausted(error: &FrameError) -> Self {
        Self { code: 8, message: error.to_string() }
    }

    fn unimplemented(message: String) -> Self {
        Self { code: 12, message }
    }

    fn internal(message: String) -> Self {
        Self { code: 13, message }
    }

    pub(crate) fn unavailable(message: &str) -> Self {
        Self { code: 14, message: message.to_owned() }
    }
}

/// The trailers that tell a status.
pub(crate) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", HeaderValue::from(u16::from(status.code)));
    if !status.message.is_empty() {
        let encoded = percent_encoded(&status.message);
        let message = HeaderValue::from_str(&encoded).unwrap_or(HeaderValue::from_static("unprintable"));
        trailers.insert("grpc-message", message);
    }
    trailers
}

/// A text as gRPC puts it into a header.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A call whose message has not arrived whole.
struct Upload {
    recv: RecvStream,
    reader: Reader,
    respond: SendResponse<Bytes>,
}

/// An answer for which the client has no room yet.
struct Download {
    send: SendStream<Bytes>,
    pieces: VecDeque<Bytes>,
}

type Answering = BoxFuture<'static, (SendResponse<Bytes>, Outgoing)>;

/// Everything on one connection.
pub(crate) struct Driver {
    http2: Http2<TcpStream, Bytes>,
    table: Arc<Table>,
    connection: Arc<Connection>,
    local_ip: Arc<str>,
    arrived: Vec<(Request<RecvStream>, SendResponse<Bytes>)>,
    uploads: Vec<Upload>,
    answering: FuturesUnordered<Answering>,
    downloads: Vec<Download>,
    /// Bytes of `downloads`.
    unsent: usize,
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
        http2: Http2<TcpStream, Bytes>,
        table: Arc<Table>,
        connection: Arc<Connection>,
        local_ip: Arc<str>,
    ) -> Self {
        let close = Box::pin(connection.close.clone().cancelled_owned());
        Self {
            http2,
            table,
            connection,
            local_ip,
            arrived: Vec::new(),
            uploads: Vec::new(),
            answering: FuturesUnordered::new(),
            downloads: Vec::new(),
            unsent: 0,
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
            // Driving the socket also writes what was answered in the turn before.
            if self.poll_socket(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut happened = !self.arrived.is_empty();
            for (request, respond) in std::mem::take(&mut self.arrived) {
                self.begin(cx, request, respond);
            }
            happened |= self.poll_uploads(cx);
            happened |= self.poll_answers(cx);
            happened |= self.poll_downloads(cx);
            happened |= self.poll_stream(cx);
            if !happened {
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
        if let Some(mut stream) = self.stream.take() {
            stream.end(&status);
        }
        self.http2.graceful_shutdown();
        self.patience = Some(Box::pin(tokio::time::sleep(CLOSING_MAX)));
    }

    /// Takes every request that has arrived; ends when the socket does.
    fn poll_socket(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.http2.poll_accept(cx) {
                Poll::Ready(Some(Ok(request))) => self.arrived.push(request),
                Poll::Ready(Some(Err(error))) => {
                    debug!(connection = %self.connection.id, %error, "connection broke");
                    if error.get_io().is_some_and(is_unreachable) {
                        self.connection.fell_silent();
                    }
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn begin(&mut self, cx: &mut Context<'_>, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let (head, recv) = request.into_parts();
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let Some(compression) = Compression::from_header(header("grpc-encoding")) else {
            return refuse(&mut respond, &Status::unimplemented("grpc-encoding is not supported".to_owned()));
        };
        match head.uri.path() {
            "/Request/request" => {
                let upload = Upload { recv, reader: Reader::new(compression), respond };
                self.poll_upload(cx, upload);
            }
            "/BiRequestStream/requestBiStream" => {
                let mut response = Response::new(());
                *response.headers_mut() = open_headers();
                if let Ok(send) = respond.send_response(response, false) {
                    // A second stream takes over: what is due goes where the client looks now.
                    if let Some(mut older) = self.stream.replace(BiStream::new(recv, compression, send)) {
                        older.end(&Status::OK);
                    }
                }
            }
            path => {
                let method = path.trim_start_matches('/');
                refuse(&mut respond, &Status::unimplemented(format!("Method not found: {method}")));
            }
        }
    }

    fn poll_uploads(&mut self, cx: &mut Context<'_>) -> bool {
        let before = self.uploads.len();
        for upload in std::mem::take(&mut self.uploads) {
            self.poll_upload(cx, upload);
        }
        self.uploads.len() < before
    }

    /// Answers the call if its message is there; keeps it otherwise.
    fn poll_upload(&mut self, cx: &mut Context<'_>, mut upload: Upload) {
        match poll_message(cx, &mut upload) {
            Poll::Pending => self.uploads.push(upload),
            Poll::Ready(Err(status)) => refuse(&mut upload.respond, &status),
            Poll::Ready(Ok(message)) => match calls::answer(&self.table, &self.connection, &message) {
                Ok(Outcome::Now(outgoing)) => self.respond(upload.respond, outgoing),
                Ok(Outcome::Later(answer)) => {
                    let respond = upload.respond;
                    self.answering.push(Box::pin(async move { (respond, answer.await) }));
                }
                Err(error) => refuse(&mut upload.respond, &Status::internal(error.to_string())),
            },
        }
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) -> bool {
        let mut happened = false;
        while let Poll::Ready(Some((respond, outgoing))) = Pin::new(&mut self.answering).poll_next(cx) {
            self.respond(respond, outgoing);
            happened = true;
        }
        happened
    }

    /// Sends an answer. A client that gave the call up needs none.
    fn respond(&mut self, mut respond: SendResponse<Bytes>, outgoing: Outgoing) {
        self.connection.traffic.went(outgoing.encoded_len());
        let mut response = Response::new(());
        *response.headers_mut() = open_headers();
        let Ok(mut send) = respond.send_response(response, false) else {
            return;
        };
        let (head, body) = frame::pieces(outgoing);
        if body.is_none() && head.len() <= HANDED_OVER_MAX {
            if send.send_data(head, false).is_ok() {
                send.send_trailers(trailers(&Status::OK)).ok();
            }
            return;
        }
        self.unsent += head.len() + body.as_ref().map_or(0, Bytes::len);
        self.downloads.push(Download { send, pieces: std::iter::once(head).chain(body).collect() });
        if self.unsent > UNSENT_LEN_MAX && self.downloads.len() > 1 && !self.connection.close.is_cancelled() {
            info!(connection = %self.connection.id, unsent = self.unsent, "a client that does not read is ejected");
            self.table.app.metrics.connections_overfull.inc();
            self.connection.close.cancel();
        }
    }

    fn poll_downloads(&mut self, cx: &mut Context<'_>) -> bool {
        let before = self.downloads.len();
        let mut unsent = 0;
        self.downloads.retain_mut(|Download { send, pieces }| match write_pieces(send, pieces, cx) {
            Poll::Pending => {
                unsent += pieces.iter().map(Bytes::len).sum::<usize>();
                true
            }
            Poll::Ready(done) => {
                if done.is_ok() {
                    send.send_trailers(trailers(&Status::OK)).ok();
                }
                false
            }
        });
        self.unsent = unsent;
        self.downloads.len() < before
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let (left, happened) = stream.poll(cx, &self.table, &self.connection, &self.local_ip);
        if left == Left::Over {
            self.stream = None;
        }
        happened
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

/// The one message of a call.
fn poll_message(cx: &mut Context<'_>, upload: &mut Upload) -> Poll<Result<Bytes, Status>> {
    loop {
        match upload.reader.next_message() {
            Ok(Some(message)) => return Poll::Ready(Ok(message)),
            Ok(None) => {}
            Err(error @ FrameError::TooLong { .. }) => return Poll::Ready(Err(Status::exhausted(&error))),
            Err(error) => return Poll::Ready(Err(Status::internal(error.to_string()))),
        }
        match ready!(upload.recv.poll_data(cx)) {
            None => return Poll::Ready(Err(Status::internal(FrameError::Truncated.to_string()))),
            Some(Err(error)) => return Poll::Ready(Err(Status::internal(error.to_string()))),
            Some(Ok(piece)) => {
                // The window is ours to give back; a call that ended meanwhile needs none.
                upload.recv.flow_control().release_capacity(piece.len()).ok();
                if let Some(message) = upload.reader.push(&piece) {
                    return Poll::Ready(Ok(message));
                }
            }
        }
    }
}

/// Ends a call with a status alone.
fn refuse(respond: &mut SendResponse<Bytes>, status: &Status) {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    *headers = trailers(status);
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    // A client that gave the call up needs no status.
    respond.send_response(response, true).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_message_is_fit_for_a_header() {
        let told = trailers(&Status::unknown("100 % schön\n"));
        assert_eq!(told.get("grpc-status").map(HeaderValue::as_bytes), Some(&b"2"[..]));
        assert_eq!(told.get("grpc-message").map(HeaderValue::as_bytes), Some(&b"100 %25 sch%C3%B6n%0A"[..]));
    }
}
