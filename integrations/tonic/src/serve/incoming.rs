//! The connections of a server, counted, so that they can be cut.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use nacrite_client::register::{Connections, Tracked};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::server::{Connected, TcpConnectInfo};
use tracing::warn;

/// The pause after a failure to accept that is the server's own, such as too many open files: tonic asks again at once, and
/// would do nothing else. 100 ms.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections. Small packets are sent at once, as tonic's own servers do.
pub(super) fn of(listener: TcpListener, connections: Connections) -> impl Stream<Item = io::Result<Incoming>> {
    futures_util::stream::unfold((listener, connections), |(listener, connections)| async {
        let accepted = match listener.accept().await {
            Ok((socket, _)) => socket.set_nodelay(true).map(|()| Incoming(connections.track(socket))),
            Err(error) if is_of_connection(&error) => Err(error),
            Err(error) => {
                warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(PAUSE).await;
                Err(error)
            }
        };
        Some((accepted, (listener, connections)))
    })
}

/// Whether the other side is the reason, so that the next one may do better.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection that is counted. A type of its own, because tonic wants to be told by a trait of its own who asks.
pub(super) struct Incoming(Tracked<TcpStream>);

impl Connected for Incoming {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.0.get_ref().connect_info()
    }
}

impl AsyncRead for Incoming {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
