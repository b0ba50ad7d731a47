//! The bytes of a connection, with two things that hyper does not tell or do: how the other side began to speak, and the end
//! of the connection when the channel's time to shut down is over.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio_util::sync::WaitForCancellationFutureOwned;

/// Bytes of a frame's head in HTTP/2; enough to tell every other protocol as well.
const HEAD_LEN: usize = 9;

/// Kind of the frame with which every HTTP/2 connection begins, and its place in the head.
const SETTINGS: u8 = 4;
const KIND_AT: usize = 3;

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

/// The first bytes, until there are enough of them.
#[derive(Debug)]
struct Listening {
    head: [u8; HEAD_LEN],
    len: usize,
    tell: oneshot::Sender<Greeting>,
}

/// A stream of bytes that ends when it is told to.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: S,
    listening: Option<Listening>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> Socket<S> {
    /// The stream, and how the other side begins; the latter fails if it ends without a word.
    pub(super) fn new(stream: S, stop: WaitForCancellationFutureOwned) -> (Self, oneshot::Receiver<Greeting>) {
        let (tell, greeting) = oneshot::channel();
        let listening = Some(Listening { head: [0; HEAD_LEN], len: 0, tell });
        (Self { stream, listening, stop: Box::pin(stop) }, greeting)
    }

    /// Hears what came; nothing is the end.
    fn listen(&mut self, bytes: &[u8]) {
        let Some(mut listening) = self.listening.take() else { return };
        let free = &mut listening.head[listening.len..];
        let taken = free.len().min(bytes.len());
        free[..taken].copy_from_slice(&bytes[..taken]);
        listening.len += taken;
        let is_over = bytes.is_empty();
        if listening.len == HEAD_LEN || (is_over && listening.len > 0) {
            // Nobody may be waiting any more.
            listening.tell.send(Greeting::of(listening.head, listening.len)).ok();
        } else if !is_over {
            self.listening = Some(listening);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                if self.listening.is_some() {
                    let (_, new) = buffer.filled().split_at(before);
                    self.listen(new);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.listen(&[]);
                Poll::Ready(Err(error))
            }
            // Looked at only when there is nothing to read, so that a busy connection does not pay for it.
            Poll::Pending if self.stop.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the channel was shut down")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_util::sync::CancellationToken;

    use super::*;

    async fn greeted(words: &[&[u8]]) -> Option<Greeting> {
        let (mut there, here) = tokio::io::duplex(64);
        let (mut socket, greeting) = Socket::new(here, CancellationToken::new().cancelled_owned());
        for word in words {
            there.write_all(word).await.expect("there is room");
            let mut read = [0; 32];
            assert_eq!(socket.read(&mut read).await.expect("bytes"), word.len());
        }
        drop(there);
        assert_eq!(socket.read(&mut [0; 1]).await.expect("the end"), 0);
        greeting.await.ok()
    }

    #[tokio::test]
    async fn the_first_frame_tells_who_is_there() {
        assert_eq!(greeted(&[&[0, 0, 6, 4, 0], &[0, 0, 0, 0, 0, 9]]).await, Some(Greeting::Http2));
        assert_eq!(greeted(&[b"HTTP/1.1 400"]).await, Some(Greeting::Other("it answers in HTTP/1")));
        let alert = greeted(&[&[0x15, 3, 3, 0, 2, 2, 40]]).await;
        assert_eq!(alert, Some(Greeting::Other("it speaks TLS, and this channel does not")));
        assert_eq!(greeted(&[&[0, 0, 6, 4]]).await, Some(Greeting::Other("it speaks some other protocol")));
        assert_eq!(greeted(&[]).await, None);
    }

    #[tokio::test]
    async fn a_stopped_socket_ends() {
        let stop = CancellationToken::new();
        let (_there, here) = tokio::io::duplex(64);
        let (mut socket, _greeting) = Socket::new(here, stop.clone().cancelled_owned());
        stop.cancel();
        let error = socket.read(&mut [0; 1]).await.expect_err("it is stopped");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }
}
