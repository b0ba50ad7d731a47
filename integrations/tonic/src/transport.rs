//! One connection to one endpoint: TCP, TLS if it is wanted, HTTP/2. A failure says at which of them, and why.
//!
//! Knows nothing of names, lists and policies. The connection lives as long as somebody can send on it or a call is under
//! way; [`Connection::closed`] ends when it takes no more calls.

mod socket;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::body::Body;

pub use tls::{ChannelTls, TlsError};
pub(crate) use tls::{LazyTls, server_name};

use crate::tasks::Tasks;
use socket::{Greeting, Socket};

/// How connections are made and kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportSettings {
    /// How often a connection with calls is asked whether it is alive. 6 min: servers of gRPC for Java and Go send away who
    /// asks more often than every 5 min, unless they are told otherwise. Where it is known that they are, less is better: a
    /// server that lost power is found by this, and by deadlines. `None` never asks.
    pub keep_alive_every: Option<Duration>,
    /// How long the answer may take before the connection counts as lost. 20 s, as gRPC for Java.
    pub keep_alive_within: Duration,
    /// Whether connections without calls are asked too. No: servers of gRPC send clients away that ask too often.
    pub keep_alive_while_idle: KeepAliveWhileIdle,
    /// Bytes that a server may send ahead on one call. 1 MiB: HTTP/2's 64 KiB makes large answers wait for every turn.
    pub stream_window_len: u32,
    /// The same for all calls of a connection together. 4 MiB.
    pub connection_window_len: u32,
    /// Bytes of headers and trailers that are read of one answer. 16 KiB, as gRPC for Java 8 KiB and for Go 16 MiB.
    pub headers_len_max: u32,
}

/// Whether a connection without calls is asked whether it is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepAliveWhileIdle {
    /// It is not.
    #[default]
    Silent,
    /// It is, so that the first call after a pause finds no dead connection.
    Asked,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            keep_alive_every: Some(Duration::from_secs(6 * 60)),
            keep_alive_within: Duration::from_secs(20),
            keep_alive_while_idle: KeepAliveWhileIdle::Silent,
            stream_window_len: 1 << 20,
            connection_window_len: 4 << 20,
            headers_len_max: 16 * 1024,
        }
    }
}

/// Where a connection leads. Two endpoints that differ in it need a connection each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    /// The name that the server has to prove; `None` in the clear.
    pub(crate) tls_name: Option<Arc<str>>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::resolver::authority_of(&self.host, self.port))
    }
}

/// A connection that calls can be sent on.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Body>,
    ended: JoinHandle<Option<String>>,
    goodbye: oneshot::Receiver<()>,
}

impl Connection {
    /// Ends when the connection takes no more calls: it broke (the reason is returned), or the server said goodbye. Calls
    /// that are under way may still be answered.
    pub(crate) async fn closed(self) -> Option<String> {
        let Self { sender, ended, goodbye } = self;
        // Held by who asked for it, so that only calls and the balancer keep the connection open.
        drop(sender);
        let said_goodbye = async {
            if goodbye.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = ended => ended.unwrap_or(None),
            () = said_goodbye => None,
        }
    }
}

/// Makes connections.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) settings: TransportSettings,
    pub(crate) tls: LazyTls,
    pub(crate) tasks: Tasks,
}

impl Connector {
    /// Connects.
    ///
    /// # Errors
    /// Which step failed, and why, in words.
    pub(crate) async fn connect(self, address: Address, within: Duration) -> Result<Connection, String> {
        let connected = tokio::time::timeout(within, self.steps(&address)).await;
        connected.unwrap_or_else(|_| Err(format!("no connection to {address} within {} ms", within.as_millis())))
    }

    async fn steps(&self, address: &Address) -> Result<Connection, String> {
        let failed = |what: &str, why: &dyn fmt::Display| format!("{what} {address}: {why}");
        let tcp = TcpStream::connect((&*address.host, address.port)).await;
        let tcp = tcp.map_err(|error| failed("cannot connect to", &error))?;
        // Without it calls would wait for more data; a socket that refuses the option still works.
        tcp.set_nodelay(true).ok();
        match &address.tls_name {
            None => self.handshake(tcp, address).await,
            Some(name) => {
                let stream = self.tls.connect(name, tcp).await.map_err(|error| failed("no TLS with", &error))?;
                self.handshake(stream, address).await
            }
        }
    }

    async fn handshake<S>(&self, stream: S, address: &Address) -> Result<Connection, String>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let settings = &self.settings;
        let mut builder = Builder::new(self.tasks.clone());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(settings.stream_window_len)
            .initial_connection_window_size(settings.connection_window_len)
            .max_header_list_size(settings.headers_len_max)
            .keep_alive_interval(settings.keep_alive_every)
            .keep_alive_timeout(settings.keep_alive_within)
            .keep_alive_while_idle(settings.keep_alive_while_idle == KeepAliveWhileIdle::Asked);
        let (socket, heard) = Socket::new(stream, self.tasks.stop_signal());
        let no_http2 = |why: &dyn fmt::Display| format!("no HTTP/2 with {address}: {why}");
        let shaken = builder.handshake::<_, Body>(TokioIo::new(socket)).await;
        let (sender, driving) = shaken.map_err(|error| no_http2(&error))?;
        let ended = self.tasks.spawn_awaited(async move { driving.await.err().map(|error| error.to_string()) });
        // A port that is open in front of nothing would take calls otherwise.
        match heard.greeting.await {
            Ok(Greeting::Http2) => Ok(Connection { sender, ended, goodbye: heard.goodbye }),
            Ok(Greeting::Other(what)) => Err(no_http2(&what)),
            Err(_) => Err(no_http2(&"it closed the connection without a word")),
        }
    }
}
