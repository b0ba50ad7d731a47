//! One connection of HTTP/2 over TCP or TLS, made layer by layer; a failure tells which layer, and why, in words.
//!
//! Knows gRPC's calls and streams, and nothing of what is said in them.

mod call;
mod socket;
mod stream;
mod turn;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::client::SendRequest;
use http::{HeaderValue, Method, Request, Uri};
use nacrite_wire::payload::Outgoing;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::failure::{ConnectFailure, Layer};
use crate::server::ServerAddress;
use crate::session::Stopwatch;
use crate::settings::LinkSettings;
use crate::tasks::Tasks;
use crate::tls::{Protocol, TlsSetup};

pub(crate) use call::CallError;
pub(crate) use stream::Stream;

use socket::{Heard, Socket};
use turn::{Driven, Turn};

/// Bytes that the server may send ahead, per stream and in all: one large config goes through without waiting.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Bytes of headers that are read; servers send a few dozen.
const HEADERS_LEN_MAX: u32 = 16 * 1024;

/// Calls on their way that h2 keeps books of; more wait in `ready`.
const STREAMS_MAX: usize = 1024;

/// Addresses of one name that are tried; a name with more leads to a load balancer in any case.
const ADDRESSES_MAX: usize = 16;

/// How long one address of a name may be silent before the next one is tried beside it.
const STAGGER: Duration = Duration::from_millis(250);

/// Where to connect, and how.
pub(crate) struct Target<'a> {
    /// The server.
    pub(crate) server: &'a ServerAddress,
    /// Of the addresses of its name, the one to be tried first.
    pub(crate) first: Option<IpAddr>,
    /// And the one to be tried last.
    pub(crate) last: Option<IpAddr>,
    /// How to encrypt, if it is wanted.
    pub(crate) tls: &'a TlsSetup,
    /// Time-outs.
    pub(crate) settings: &'a LinkSettings,
}

/// A connection. Clones share it; it ends when `close` is cancelled, or with the socket.
#[derive(Clone)]
pub(crate) struct Channel {
    requests: SendRequest<Bytes>,
    turn: Arc<Turn>,
    unary: Uri,
    stream: Uri,
    heard: Arc<Heard>,
    /// The address that was reached.
    pub(crate) peer: SocketAddr,
    /// Our own address, as the system chose it.
    pub(crate) local_ip: Arc<str>,
    /// Closes the connection.
    pub(crate) close: CancellationToken,
}

impl Channel {
    /// Makes a connection, whose socket is driven by one of `tasks`. `watch` takes the time of each step.
    ///
    /// # Errors
    /// How far it came and what happened there.
    pub(crate) async fn connect(
        target: Target<'_>,
        tasks: &Tasks,
        watch: &mut Stopwatch,
    ) -> Result<Self, ConnectFailure> {
        let Target { server, tls, settings, .. } = target;
        let failure = |layer, cause| ConnectFailure { server: server.clone(), layer, cause };
        let addresses = resolve(&target).await;
        watch.lap(Layer::Resolve);
        let addresses = addresses.map_err(|cause| failure(Layer::Resolve, cause))?;
        let reached = reach(&addresses, settings.connect_within).await;
        watch.lap(Layer::Tcp);
        let (socket, peer) = reached.map_err(|cause| failure(Layer::Tcp, cause))?;
        // Without it requests would wait for more data; a socket that refuses the option still works.
        socket.set_nodelay(true).ok();
        let local_ip = socket.local_addr().map(|local| local.ip().to_string()).unwrap_or_default().into();
        let socket = if tls.is_wanted() {
            let encrypted = encrypt(socket, &target).await;
            watch.lap(Layer::Tls);
            Socket::tls(encrypted.map_err(|cause| failure(Layer::Tls, cause))?)
        } else {
            Socket::plain(socket)
        };
        let heard = socket.heard();
        let scheme = if tls.is_wanted() { "https" } else { "http" };
        let uri = |path| uri(scheme, server, path).map_err(|error| failure(Layer::Http2, error.to_string()));
        let (unary, stream) = (uri("/Request/request")?, uri("/BiRequestStream/requestBiStream")?);
        let handshake = builder().handshake(socket);
        let begun = timeout(settings.connect_within, handshake).await;
        watch.lap(Layer::Http2);
        let (requests, http2) = match begun {
            Ok(Ok(begun)) => begun,
            Ok(Err(error)) => return Err(failure(Layer::Http2, call::described(&error))),
            Err(_) => return Err(failure(Layer::Http2, in_vain(settings.connect_within))),
        };
        let close = tasks.child_signal();
        // In a box of its own: a task holds what it is given more than once, and a connection is large.
        let driven = Box::new(Driven::new(http2));
        let turn = driven.turn();
        tasks.spawn(drive(driven, close.clone()));
        Ok(Self { requests, turn, unary, stream, heard, peer, local_ip, close })
    }

    /// What is wrong with how the other side began to speak; `None` if it speaks HTTP/2.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        self.heard.complaint()
    }

    /// Calls, and waits for the answer as long as the caller does. A call that is given up is cancelled.
    ///
    /// # Errors
    /// [`CallError`] tells whether the request may have been read.
    pub(crate) async fn call(&self, outgoing: Outgoing) -> Result<Bytes, CallError> {
        let (response, mut send) = self.open(&self.unary).await?;
        call::send(&mut send, outgoing, true)?;
        // The handle lives as long as the call: dropped before the end, it would cancel it.
        let answer = self.turn.after(call::answer(response)).await;
        drop(send);
        answer
    }

    /// Opens a stream; whether the server likes it shows when it is read.
    ///
    /// # Errors
    /// [`CallError::Unsent`] if the connection takes nothing more.
    pub(crate) async fn stream(&self) -> Result<Stream, CallError> {
        let (response, send) = self.open(&self.stream).await?;
        Ok(Stream::new(send, response))
    }

    async fn open(&self, uri: &Uri) -> Result<(h2::client::ResponseFuture, h2::SendStream<Bytes>), CallError> {
        let unsent = |error: h2::Error| CallError::Unsent(call::described(&error));
        let mut requests = self.requests.clone().ready().await.map_err(unsent)?;
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        requests.send_request(request, false).map_err(unsent)
    }
}

fn builder() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_max_send_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_LEN_MAX);
    builder
}

fn uri(scheme: &str, server: &ServerAddress, path: &str) -> Result<Uri, http::Error> {
    let (host, port) = (server.host(), server.grpc_port());
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build()
}

/// Moves bytes until the connection ends or is closed. Who uses it hears of the end there.
async fn drive(http2: Box<Driven>, close: CancellationToken) {
    tokio::select! {
        biased;
        () = close.cancelled() => {}
        ended = http2 => {
            if let Err(error) = ended {
                debug!(%error, "connection broke");
            }
        }
    }
}

/// The addresses of a server, in the order in which they are to be tried. Asked anew each time: names move.
async fn resolve(target: &Target<'_>) -> Result<Vec<SocketAddr>, String> {
    let (host, port) = (target.server.host(), target.server.grpc_port());
    let found = match timeout(target.settings.resolve_within, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(in_vain(target.settings.resolve_within)),
    };
    let mut addresses: Vec<_> = found.take(ADDRESSES_MAX).collect();
    if addresses.is_empty() {
        return Err("it has no address".to_owned());
    }
    // Stable: among the others the resolver's order counts, which turns names of several servers round.
    addresses.sort_by_key(|address| match Some(address.ip()) {
        ip if ip == target.first => 0,
        ip if ip == target.last => 2,
        _ => 1,
    });
    Ok(addresses)
}

/// Connects to the first address that lets itself be reached. An address that is silent holds up the next one for a
/// moment only.
async fn reach(addresses: &[SocketAddr], within: Duration) -> Result<(TcpStream, SocketAddr), String> {
    let mut waiting = addresses.iter().copied();
    let mut under_way = FuturesUnordered::new();
    let mut causes = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            under_way.push(async move { (address, timeout(within, connect(address)).await) });
        }
        let stagger = async {
            match waiting.len() {
                0 => std::future::pending().await,
                _ => sleep(STAGGER).await,
            }
        };
        let (address, result) = tokio::select! {
            biased;
            ended = under_way.next() => match ended {
                Some(ended) => ended,
                None => return Err(told(&causes)),
            },
            () = stagger => continue,
        };
        let cause = match result {
            Ok(Ok(socket)) => return Ok((socket, address)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => in_vain(within),
        };
        causes.push((address.ip(), cause));
    }
}

/// Why none of the addresses could be reached.
fn told(causes: &[(IpAddr, String)]) -> String {
    match causes {
        [(_, cause)] => cause.clone(),
        causes => {
            let causes: Vec<_> = causes.iter().map(|(ip, cause)| format!("{ip}: {cause}")).collect();
            causes.join("; ")
        }
    }
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Clears dead connections away even where nobody asks; a system that refuses it is no reason not to connect.
    socket.set_keepalive(true).ok();
    socket.connect(address).await
}

async fn encrypt(socket: TcpStream, target: &Target<'_>) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let handshake = target.tls.connect(socket, target.server, Protocol::Http2);
    match timeout(target.settings.connect_within, handshake).await {
        Ok(Ok(socket)) => {
            // Servers that know no ALPN are given the benefit of the doubt.
            let chosen = socket.get_ref().1.alpn_protocol();
            match chosen.filter(|protocol| *protocol != b"h2") {
                Some(protocol) => Err(format!("the server chose {} in place of h2", String::from_utf8_lossy(protocol))),
                None => Ok(socket),
            }
        }
        Ok(Err(error)) => Err(in_words(&error)),
        Err(_) => Err(in_vain(target.settings.connect_within)),
    }
}

/// Why TLS failed. A server that speaks in the clear answers with something that is no record of TLS.
fn in_words(error: &std::io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidMessage(_)) => "the server speaks no TLS on this port".to_owned(),
        Some(error) => error.to_string(),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the server hung up: it may speak no TLS on this port".to_owned()
        }
        None => error.to_string(),
    }
}

fn in_vain(within: Duration) -> String {
    format!("nothing within {} ms", within.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// An address at which nobody answers: its queue of connections is full.
    async fn silent() -> (Vec<TcpStream>, TcpListener) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let listener = socket.listen(1).expect("it listens");
        let at = listener.local_addr().expect("a bound socket has an address");
        let mut filling = Vec::new();
        while let Ok(Ok(socket)) = timeout(Duration::from_millis(100), TcpStream::connect(at)).await {
            filling.push(socket);
        }
        (filling, listener)
    }

    #[tokio::test]
    async fn a_silent_address_does_not_hold_up_the_others() {
        let (_filling, silent) = silent().await;
        let good = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = |listener: &TcpListener| listener.local_addr().expect("a bound socket has an address");
        let addresses = [at(&silent), at(&good)];
        let reached = timeout(Duration::from_secs(2), reach(&addresses, Duration::from_secs(10))).await;
        assert_eq!(reached.expect("soon").map(|(_, address)| address), Ok(at(&good)));
    }

    #[tokio::test]
    async fn every_address_is_tried_and_each_has_its_cause() {
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address");
        let good = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let good_at = good.local_addr().expect("a bound socket has an address");
        let within = Duration::from_secs(5);
        assert_eq!(reach(&[closed, good_at], within).await.map(|(_, address)| address), Ok(good_at));
        let causes = reach(&[closed, closed], within).await.expect_err("nobody is there");
        assert_eq!(causes.matches("refused").count(), 2, "{causes}");
        assert!(causes.starts_with("127.0.0.1: "), "{causes}");
    }
}
