//! The bytes of a connection, encrypted or not. Remembers how the other side began to speak: what is no HTTP/2 can then
//! be called by its name.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Bytes of a frame's head in HTTP/2; enough to tell every other protocol as well.
const HEAD_LEN: usize = 9;

/// Kind of the frame with which every HTTP/2 connection begins.
const SETTINGS: u8 = 4;

/// The bytes of a connection.
#[derive(Debug)]
pub(crate) struct Socket {
    way: Way,
    heard: Arc<Heard>,
    is_head_complete: bool,
}

#[derive(Debug)]
enum Way {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// How the other side began to speak.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<Vec<u8>>);

impl Heard {
    /// What is wrong with how the other side began; `None` if it began as HTTP/2 does.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        let head = self.0.lock();
        match head.as_slice() {
            [] => Some("it is silent"),
            [b'H', b'T', b'T', b'P', ..] => {
                Some("it answers with HTTP/1: this is not gRPC's port, or a proxy speaks HTTP/1 alone")
            }
            // Content type of an alert, then the version.
            [0x15, 3, ..] => Some("it answers with an alert of TLS: it wants TLS, and none is set"),
            [_, _, _, SETTINGS, ..] => None,
            _ => Some("what it answers is no HTTP/2"),
        }
    }

    fn push(&self, bytes: &[u8]) -> bool {
        let mut head = self.0.lock();
        let missing = HEAD_LEN - head.len();
        head.extend(bytes.iter().take(missing));
        head.len() == HEAD_LEN
    }
}

impl Socket {
    /// Over bare TCP.
    pub(crate) fn plain(socket: TcpStream) -> Self {
        Self::over(Way::Plain(socket))
    }

    /// Over TLS.
    pub(crate) fn tls(socket: TlsStream<TcpStream>) -> Self {
        Self::over(Way::Tls(Box::new(socket)))
    }

    fn over(way: Way) -> Self {
        Self { way, heard: Arc::default(), is_head_complete: false }
    }

    /// How the other side begins to speak, from now on.
    pub(crate) fn heard(&self) -> Arc<Heard> {
        Arc::clone(&self.heard)
    }
}

impl Socket {
    /// Puts off a failure to write until what the other side said before it hung up is heard: it may have said why. It
    /// is there already, though the runtime may not know it yet.
    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let mut words = [0; HEAD_LEN];
        while matches!(written, Poll::Ready(Err(_))) && !self.is_head_complete {
            let mut words = ReadBuf::new(&mut words);
            let heard = ready!(Pin::new(&mut *self).poll_read(cx, &mut words));
            if heard.is_err() || words.filled().is_empty() {
                break;
            }
        }
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(match &mut this.way {
            Way::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Way::Tls(socket) => Pin::new(socket).poll_read(cx, buf),
        })?;
        if !this.is_head_complete {
            this.is_head_complete = this.heard.push(&buf.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.way {
            Way::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Way::Tls(socket) => Pin::new(socket).poll_write(cx, buf),
        };
        this.written(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.way {
            Way::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Way::Tls(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
        };
        this.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.way {
            Way::Plain(socket) => socket.is_write_vectored(),
            Way::Tls(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().way {
            Way::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Way::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().way {
            Way::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Way::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_called_by_their_names() {
        let complaint = |bytes: &[u8]| {
            let heard = Heard::default();
            for byte in bytes.iter().take(HEAD_LEN) {
                heard.push(&[*byte]);
            }
            heard.complaint()
        };
        assert_eq!(complaint(&[0, 0, 18, 4, 0, 0, 0, 0, 0]), None);
        assert!(complaint(b"HTTP/1.1 400 Bad Request").is_some_and(|it| it.contains("HTTP/1")));
        assert!(complaint(&[0x15, 3, 3, 0, 2, 2, 22]).is_some_and(|it| it.contains("TLS")));
        assert!(complaint(b"SSH-2.0-OpenSSH").is_some_and(|it| it.contains("no HTTP/2")));
        assert_eq!(complaint(b""), Some("it is silent"));
    }
}
