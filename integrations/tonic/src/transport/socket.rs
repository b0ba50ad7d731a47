//! The bytes of a connection, with four things that hyper does not tell or do: how the other side began to speak, that it
//! said goodbye, reading to the end when nothing can be written any more, and the end of the connection when the channel's
//! time to shut down is over.
//!
//! hyper believes in a connection before the other side has said a word, and notices a goodbye while calls are open only when
//! the next call is sent. Frames are therefore watched as they come in: their heads alone, nine bytes each.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio_util::sync::WaitForCancellationFutureOwned;

/// Bytes of a frame's head in HTTP/2: three of its length, one of its kind, five that do not matter here.
const HEAD_LEN: usize = 9;
const KIND_AT: usize = 3;

/// Kind of the frame with which every HTTP/2 connection begins.
const SETTINGS: u8 = 4;

/// Kind of the frame with which an endpoint says that it takes no more calls.
const GOAWAY: u8 = 7;

/// How the other side began to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// As HTTP/2 does.
    Http2,
    /// Otherwise, in words.
    Other(&'static str),
}

impl Greeting {
    fn of(head: [u8; HEAD_LEN], len: usize) -> Self {
        match head {
            [b'H', b'T', b'T', b'P', ..] => Self::Other("it answers in HTTP/1"),
            [0x15 | 0x16, 0x03, ..] => Self::Other("it speaks TLS, and this channel does not"),
            _ if len == HEAD_LEN && head[KIND_AT] == SETTINGS => Self::Http2,
            _ => Self::Other("it speaks some other protocol"),
        }
    }
}

/// What is heard of the other side. Each comes at most once; one that never comes fails when the socket is gone.
#[derive(Debug)]
pub(super) struct Heard {
    /// How it began.
    pub(super) greeting: oneshot::Receiver<Greeting>,
    /// It takes no more calls.
    pub(super) goodbye: oneshot::Receiver<()>,
}

/// Watches the heads of frames as they come in.
#[derive(Debug)]
struct Frames {
    head: [u8; HEAD_LEN],
    head_len: usize,
    /// Bytes of the present frame that are still to come.
    rest_len: usize,
    greeting: Option<oneshot::Sender<Greeting>>,
    goodbye: Option<oneshot::Sender<()>>,
}

impl Frames {
    /// Hears what came.
    fn hear(&mut self, mut bytes: &[u8]) {
        // After the goodbye there is nothing to watch for.
        while self.goodbye.is_some() && !bytes.is_empty() {
            let skipped = self.rest_len.min(bytes.len());
            self.rest_len -= skipped;
            bytes = &bytes[skipped..];
            let free = &mut self.head[self.head_len..];
            let taken = free.len().min(bytes.len());
            free[..taken].copy_from_slice(&bytes[..taken]);
            self.head_len += taken;
            bytes = &bytes[taken..];
            if self.head_len == HEAD_LEN {
                self.begin_frame();
            }
        }
    }

    fn begin_frame(&mut self) {
        self.greet();
        let [high, middle, low, kind, ..] = self.head;
        self.head_len = 0;
        self.rest_len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if kind == GOAWAY {
            self.goodbye.take().map(|tell| tell.send(()).ok());
        }
    }

    /// There is nothing more to come.
    fn end(&mut self) {
        if self.head_len > 0 {
            self.greet();
        }
        (self.greeting, self.goodbye) = (None, None);
    }

    fn greet(&mut self) {
        if let Some(tell) = self.greeting.take() {
            // Nobody may be waiting any more.
            tell.send(Greeting::of(self.head, self.head_len)).ok();
        }
    }
}

/// A stream of bytes that ends when it is told to.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: S,
    frames: Frames,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Why nothing can be written any more.
    deaf: Option<io::Error>,
}

impl<S> Socket<S> {
    /// The stream, and what is heard of the other side.
    pub(super) fn new(stream: S, stop: WaitForCancellationFutureOwned) -> (Self, Heard) {
        let (greet, greeting) = oneshot::channel();
        let (part, goodbye) = oneshot::channel();
        let frames =
            Frames { head: [0; HEAD_LEN], head_len: 0, rest_len: 0, greeting: Some(greet), goodbye: Some(part) };
        (Self { stream, frames, stop: Box::pin(stop), deaf: None }, Heard { greeting, goodbye })
    }
}

impl<S> Socket<S> {
    /// Takes what cannot be written any more as if it were. The other side has hung up, but what it said before may still be
    /// unread: answers, and which calls it did not look at. Reading tells the end when there is nothing more.
    fn unless_deaf<T>(&mut self, cx: &Context<'_>, written: Poll<io::Result<T>>, as_if: T) -> Poll<io::Result<T>> {
        let Poll::Ready(Err(error)) = written else { return written };
        self.deaf = Some(error);
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(as_if))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                match buffer.filled().get(before..) {
                    Some(new) if !new.is_empty() => self.frames.hear(new),
                    _ => self.frames.end(),
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.frames.end();
                Poll::Ready(Err(error))
            }
            // Looked at only when there is nothing to read, so that a busy connection does not pay for it.
            Poll::Pending if self.stop.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the channel was shut down")))
            }
            Poll::Pending => match &self.deaf {
                Some(error) => Poll::Ready(Err(io::Error::new(error.kind(), error.to_string()))),
                None => Poll::Pending,
            },
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_deaf(cx, written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = slices.iter().map(|slice| slice.len()).sum();
        if self.deaf.is_some() {
            return Poll::Ready(Ok(all));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.unless_deaf(cx, written, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf.is_some() {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.unless_deaf(cx, flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// What is heard when the other side says these words and hangs up.
    async fn heard(words: &[&[u8]]) -> (Option<Greeting>, bool) {
        let (mut there, here) = tokio::io::duplex(256);
        let (mut socket, heard) = Socket::new(here, CancellationToken::new().cancelled_owned());
        for word in words {
            there.write_all(word).await.expect("there is room");
            let mut read = [0; 256];
            assert_eq!(socket.read(&mut read).await.expect("bytes"), word.len());
        }
        drop(there);
        assert_eq!(socket.read(&mut [0; 1]).await.expect("the end"), 0);
        (heard.greeting.await.ok(), heard.goodbye.await.is_ok())
    }

    #[tokio::test]
    async fn the_first_frame_tells_who_is_there() {
        assert_eq!(heard(&[&[0, 0, 6, 4, 0], &[0, 0, 0, 0, 0, 9]]).await.0, Some(Greeting::Http2));
        assert_eq!(heard(&[b"HTTP/1.1 400"]).await.0, Some(Greeting::Other("it answers in HTTP/1")));
        let alert = heard(&[&[0x15, 3, 3, 0, 2, 2, 40]]).await.0;
        assert_eq!(alert, Some(Greeting::Other("it speaks TLS, and this channel does not")));
        assert_eq!(heard(&[&[0, 0, 6, 4]]).await.0, Some(Greeting::Other("it speaks some other protocol")));
        assert_eq!(heard(&[]).await, (None, false));
    }

    #[tokio::test]
    async fn a_goodbye_is_heard_wherever_the_bytes_are_cut_and_not_inside_of_a_frame() {
        let mut bytes = vec![0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
        // A frame of data that holds what a goodbye looks like.
        bytes.extend([0, 0, 9, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0, 0, 0, GOAWAY, 0, 0, 0, 0, 0]);
        assert_eq!(heard(&[&bytes]).await, (Some(Greeting::Http2), false));
        bytes.extend([0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        for at in 1..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(heard(&[first, second]).await, (Some(Greeting::Http2), true), "cut at {at}");
        }
    }

    /// Cannot be written to. What can be read is there.
    struct Deaf(&'static [u8]);

    impl AsyncRead for Deaf {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if self.0.is_empty() {
                return Poll::Pending;
            }
            buffer.put_slice(std::mem::take(&mut self.0));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Deaf {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }
    }

    /// A server that was restarted had answered every call that it took and said which it did not take. Calls failed all the
    /// same now and then: writing to it failed before that was read.
    #[tokio::test]
    async fn what_was_said_before_hanging_up_is_read_to_the_end() {
        let (mut socket, _heard) = Socket::new(Deaf(b"last words"), CancellationToken::new().cancelled_owned());
        socket.write_all(b"one more call").await.expect("it is taken as if it were written");
        socket.flush().await.expect("the same");
        let mut read = [0; 32];
        assert_eq!(socket.read(&mut read).await.expect("what was said"), 10);
        let error = socket.read(&mut read).await.expect_err("there is no more");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        socket.shutdown().await.expect("it is over");
    }

    #[tokio::test]
    async fn a_stopped_socket_ends() {
        let stop = CancellationToken::new();
        let (_there, here) = tokio::io::duplex(64);
        let (mut socket, _heard) = Socket::new(here, stop.clone().cancelled_owned());
        stop.cancel();
        let error = socket.read(&mut [0; 1]).await.expect_err("it is stopped");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }
}
