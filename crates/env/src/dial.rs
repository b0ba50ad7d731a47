//! Connections to others: what a health check opens.
//!
//! Knows addresses and bytes, not what is said over them. A test has a network of its own, in which nothing leaves the
//! process and time may stand still.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that is being opened.
pub type Dialling<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// Opens connections.
pub trait Dial: fmt::Debug + Send + Sync + 'static {
    /// Opens one. Has no limit of its own: the caller bounds the time.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialling<'a>;
}

/// The network as it is handed around.
pub type SharedDial = Arc<dyn Dial>;

/// The real network.
#[derive(Debug)]
pub struct Network;

impl Dial for Network {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialling<'a> {
        Box::pin(async move {
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            let stream = TcpStream::connect((host, port)).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// How an address of a [`FakeNetwork`] behaves.
#[derive(Clone)]
pub enum Behaviour {
    /// Nobody listens.
    Refuses,
    /// Nothing ever comes back.
    Silent,
    /// There is no way to it.
    Unreachable,
    /// Somebody listens; what they do with each connection.
    Serves(Serve),
}

/// Serves one connection.
pub type Serve = Arc<dyn Fn(DuplexStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Bytes that wait in one direction of a connection of a [`FakeNetwork`].
const PIPE_BYTES: usize = 64 * 1024;

/// A network for tests. An address that was not given a behaviour refuses, or serves in [`FakeNetwork::serving`].
#[derive(Default)]
pub struct FakeNetwork {
    addresses: Mutex<HashMap<(String, u16), Behaviour>>,
    others_serve: bool,
    dialled: AtomicUsize,
}

impl fmt::Debug for FakeNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeNetwork").finish_non_exhaustive()
    }
}

impl FakeNetwork {
    /// A network in which somebody takes a connection at every address, and says nothing.
    #[must_use]
    pub fn serving() -> Self {
        Self { others_serve: true, ..Self::default() }
    }

    /// From now on the address behaves like that.
    pub fn set(&self, host: &str, port: u16, behaviour: Behaviour) {
        self.addresses.lock().insert((host.to_owned(), port), behaviour);
    }

    /// How often somebody dialled.
    #[must_use]
    pub fn dialled(&self) -> usize {
        self.dialled.load(Ordering::SeqCst)
    }
}

impl Dial for FakeNetwork {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialling<'a> {
        self.dialled.fetch_add(1, Ordering::SeqCst);
        let behaviour = self.addresses.lock().get(&(host.to_owned(), port)).cloned();
        let other = || {
            let ends = Behaviour::Serves(Arc::new(|_| Box::pin(std::future::ready(()))));
            if self.others_serve { ends } else { Behaviour::Refuses }
        };
        let behaviour = behaviour.unwrap_or_else(other);
        Box::pin(async move {
            match behaviour {
                Behaviour::Refuses => Err(io::ErrorKind::ConnectionRefused.into()),
                Behaviour::Unreachable => Err(io::ErrorKind::HostUnreachable.into()),
                Behaviour::Silent => std::future::pending().await,
                Behaviour::Serves(serve) => {
                    let (near, far) = tokio::io::duplex(PIPE_BYTES);
                    Ok(Box::new(Served { near, server: Some(serve(far)) }) as Box<dyn Stream>)
                }
            }
        })
    }
}

/// The near end of a connection, which drives the far one whenever it is asked for something: a test needs no task.
struct Served {
    near: DuplexStream,
    server: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Served {
    fn drive(&mut self, cx: &mut std::task::Context<'_>) {
        if self.server.as_mut().is_some_and(|server| server.as_mut().poll(cx).is_ready()) {
            self.server = None;
        }
    }
}

impl AsyncRead for Served {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        self.drive(cx);
        Pin::new(&mut self.near).poll_read(cx, buf)
    }
}

impl AsyncWrite for Served {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        self.drive(cx);
        Pin::new(&mut self.near).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        self.drive(cx);
        Pin::new(&mut self.near).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        self.drive(cx);
        Pin::new(&mut self.near).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn an_address_behaves_as_it_was_told() {
        let network = FakeNetwork::default();
        let refused = network.dial("a", 1).await.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(refused, Err(io::ErrorKind::ConnectionRefused));
        let echo: Serve = Arc::new(|mut far| {
            Box::pin(async move {
                let mut byte = [0];
                while far.read_exact(&mut byte).await.is_ok() && far.write_all(&byte).await.is_ok() {}
            })
        });
        network.set("a", 1, Behaviour::Serves(echo));
        let mut near = network.dial("a", 1).await.expect("served");
        near.write_all(b"hi").await.expect("written");
        let mut back = [0; 2];
        near.read_exact(&mut back).await.expect("echoed");
        assert_eq!((&back, network.dialled()), (b"hi", 2));
        assert!(FakeNetwork::serving().dial("b", 1).await.is_ok());
    }
}
