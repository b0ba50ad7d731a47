//! The connections of a server: counted while they are open, and cut when there is no more time for them.
//!
//! Frameworks run each connection in a task of its own and give nobody a handle on it. Wrapping what they read from is the
//! way to both: a connection that is cut reads an error, which ends its task and drops the request in it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The open connections of one server. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    open: Arc<AtomicUsize>,
    cut: CancellationToken,
}

impl Connections {
    /// Counts a connection until it is dropped.
    pub fn track<I>(&self, io: I) -> Tracked<I> {
        self.open.fetch_add(1, Ordering::Relaxed);
        // A token of its own, so that connections do not wait for each other's locks.
        let cut = self.cut.child_token();
        Tracked { io, cut: Box::pin(cut.cancelled_owned()), _open: Open(Arc::clone(&self.open)) }
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether they were cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }

    /// Cuts all of them, and those still to come. Returns how many were open.
    pub fn cut(&self) -> usize {
        let open = self.open();
        self.cut.cancel();
        open
    }
}

/// One connection more, for as long as this is there.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is counted, and can be cut.
#[derive(Debug)]
pub struct Tracked<I> {
    io: I,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _open: Open,
}

impl<I> Tracked<I> {
    /// What is wrapped.
    pub const fn get_ref(&self) -> &I {
        &self.io
    }

    /// What is wrapped.
    pub const fn get_mut(&mut self) -> &mut I {
        &mut self.io
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Tracked<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Tracked<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_connection_is_counted_until_it_is_dropped_and_reads_an_error_when_it_is_cut() {
        let connections = Connections::default();
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut tracked = connections.track(ours);
        theirs.write_all(b"a").await.expect("room");
        assert_eq!(tracked.read_u8().await.expect("a byte"), b'a');
        assert_eq!(connections.open(), 1);
        // Whoever waits for a byte when it is cut is woken.
        let (read, cut) = tokio::join!(tracked.read_u8(), async { connections.cut() });
        assert_eq!((read.expect_err("it is cut").kind(), cut), (io::ErrorKind::ConnectionAborted, 1));
        assert!(tracked.write_u8(b'b').await.is_err());
        drop(tracked);
        assert_eq!(connections.open(), 0);
    }
}
