//! From an address to a connection over which HTTP can be spoken.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::failure::Layer;
use crate::server::ServerAddress;
use crate::tls::{Protocol, TlsSetup};

/// A connection, and its two ends.
pub(super) struct Dialled {
    pub(super) stream: TokioIo<Stream>,
    pub(super) peer: IpAddr,
    pub(super) local: Option<IpAddr>,
}

/// Connects to the first address of `server` that answers.
///
/// # Errors
/// How far it came, and what happened there.
pub(super) async fn dial(server: &ServerAddress, tls: &TlsSetup) -> Result<Dialled, (Layer, String)> {
    let found = tokio::net::lookup_host((server.host(), server.port())).await;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut layer = Layer::Resolve;
    for address in found.map_err(|e| (Layer::Resolve, e.to_string()))? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let local = stream.local_addr().ok().map(|local| local.ip());
                let stream = encrypted(stream, server, tls).await?;
                return Ok(Dialled { stream, peer: address.ip(), local });
            }
            Err(error) => (layer, failure) = (Layer::Tcp, error),
        }
    }
    Err((layer, failure.to_string()))
}

async fn encrypted(
    stream: TcpStream,
    server: &ServerAddress,
    tls: &TlsSetup,
) -> Result<TokioIo<Stream>, (Layer, String)> {
    // Requests are small and come one at a time: waiting for more of one only delays it.
    stream.set_nodelay(true).map_err(|e| (Layer::Tcp, e.to_string()))?;
    if !server.is_https() {
        return Ok(TokioIo::new(Stream::Plain(stream)));
    }
    let stream = tls.connect(stream, server, Protocol::Http1).await.map_err(|e| (Layer::Tls, e.to_string()))?;
    Ok(TokioIo::new(Stream::Encrypted(Box::new(stream))))
}

/// A connection, encrypted or not.
pub(super) enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
