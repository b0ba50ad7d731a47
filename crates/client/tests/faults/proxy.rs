//! A way to a server that can be cut, reset, slowed down, stopped and closed, connection by connection of TCP.

// Two binaries of tests share this file, and neither needs all of it.
#![allow(dead_code, reason = "what one binary does not need, the other one does")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nacrite_client::ServerAddress;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// What comes is passed on at once.
    Open,
    /// Each piece is passed on this much later.
    Slow(Duration),
    /// Nothing is passed on and nothing is closed, as when a cable is pulled: connections are half open.
    Stalled,
}

/// How connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// In order: both sides see the end of what the other one says.
    Closed,
    /// At once: both sides see a reset.
    Reset,
}

struct Shared {
    to: Mutex<SocketAddr>,
    way: watch::Sender<Way>,
    /// Ends the connections of now; there is a new one for those that come.
    ends: Mutex<watch::Sender<Option<End>>>,
    connections: TaskTracker,
}

/// A way to a server. It is gone when this is dropped, with all connections on it.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    at: SocketAddr,
    accepting: Mutex<Option<JoinSet<()>>>,
    all: CancellationToken,
}

impl Proxy {
    /// A way to `to`, open.
    pub(crate) async fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let at = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            to: Mutex::new(to),
            way: watch::Sender::new(Way::Open),
            ends: Mutex::new(watch::Sender::new(None)),
            connections: TaskTracker::new(),
        });
        let proxy = Self { shared, at, accepting: Mutex::default(), all: CancellationToken::new() };
        proxy.serve(listener);
        proxy
    }

    /// Where it begins.
    pub(crate) const fn port(&self) -> u16 {
        self.at.port()
    }

    /// Leads somewhere else from the next connection on.
    pub(crate) fn lead_to(&self, to: SocketAddr) {
        *self.shared.to.lock() = to;
    }

    /// Changes how the way is, for connections of now and later.
    pub(crate) fn become_(&self, way: Way) {
        self.shared.way.send_replace(way);
    }

    /// Ends every connection in order.
    pub(crate) fn close_all(&self) {
        self.end(End::Closed);
    }

    /// Resets every connection.
    pub(crate) fn reset_all(&self) {
        self.end(End::Reset);
    }

    /// Resets every connection, and refuses those to come.
    pub(crate) async fn refuse(&self) {
        let accepting = self.accepting.lock().take();
        if let Some(mut accepting) = accepting {
            accepting.shutdown().await;
        }
        self.reset_all();
    }

    /// Accepts connections again after [`Self::refuse`].
    pub(crate) async fn accept_again(&self) {
        self.serve(TcpListener::bind(self.at).await.expect("the port is still free"));
    }

    /// How many connections are on it.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.len()
    }

    fn end(&self, how: End) {
        let ends = std::mem::replace(&mut *self.shared.ends.lock(), watch::Sender::new(None));
        ends.send_replace(Some(how));
    }

    fn serve(&self, listener: TcpListener) {
        let (shared, all) = (Arc::clone(&self.shared), self.all.clone());
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                let (carried, all) = (Box::pin(carry(Arc::clone(&shared), client)), all.clone());
                shared.connections.spawn(async move {
                    all.run_until_cancelled(carried).await;
                });
            }
        });
        *self.accepting.lock() = Some(accepting);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.all.cancel();
    }
}

/// Carries one connection until it ends.
async fn carry(shared: Arc<Shared>, client: TcpStream) {
    let (mut end, to) = (shared.ends.lock().subscribe(), *shared.to.lock());
    // Both halves are reset when they are dropped; whoever is to see an end in order is told of it before.
    client.set_zero_linger().expect("a socket of a test");
    client.set_nodelay(true).expect("a socket of a test");
    let Ok(server) = TcpStream::connect(to).await else { return };
    server.set_zero_linger().expect("a socket of a test");
    server.set_nodelay(true).expect("a socket of a test");
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let how = tokio::select! {
        biased;
        how = ended(&mut end) => how,
        () = pipe(&shared, &mut from_client, &mut to_server) => End::Closed,
        () = pipe(&shared, &mut from_server, &mut to_client) => End::Closed,
    };
    if how == End::Closed {
        // A side that is gone already does not hear of it.
        to_client.shutdown().await.ok();
        to_server.shutdown().await.ok();
        // Without this the reset would overtake the end: what the other sides still say is read.
        let rest = async { tokio::join!(drained(&mut from_client), drained(&mut from_server)) };
        tokio::time::timeout(Duration::from_secs(1), rest).await.ok();
    }
}

async fn ended(end: &mut watch::Receiver<Option<End>>) -> End {
    // The sender goes only after it has said how.
    let how = end.wait_for(Option::is_some).await.ok().and_then(|how| *how);
    how.unwrap_or(End::Reset)
}

/// Passes on what comes, until one side ends.
async fn pipe(shared: &Shared, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) {
    let (mut way, mut buffer) = (shared.way.subscribe(), vec![0; 64 * 1024]);
    loop {
        let Ok(len @ 1..) = from.read(&mut buffer).await else { return };
        let now = way.wait_for(|way| *way != Way::Stalled).await.map_or(Way::Stalled, |way| *way);
        if let Way::Slow(late) = now {
            tokio::time::sleep(late).await;
        }
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}

async fn drained(from: &mut OwnedReadHalf) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = from.read(&mut buffer).await {}
}

/// The two ways to a server: one for HTTP, one for gRPC.
pub(crate) struct Front {
    pub(crate) http: Proxy,
    pub(crate) grpc: Proxy,
}

impl Front {
    /// Two ways, open.
    pub(crate) async fn to(http: SocketAddr, grpc: SocketAddr) -> Self {
        Self { http: Proxy::to(http).await, grpc: Proxy::to(grpc).await }
    }

    /// Where they begin.
    pub(crate) fn address(&self) -> ServerAddress {
        let main: ServerAddress = format!("127.0.0.1:{}", self.http.port()).parse().expect("an address");
        main.with_grpc_port(self.grpc.port())
    }

    /// Changes how both are.
    pub(crate) fn become_(&self, way: Way) {
        self.http.become_(way);
        self.grpc.become_(way);
    }

    /// Resets every connection, and refuses those to come.
    pub(crate) async fn refuse(&self) {
        self.http.refuse().await;
        self.grpc.refuse().await;
    }

    /// Accepts connections again, and leads them to this server.
    pub(crate) async fn lead_to(&self, http: SocketAddr, grpc: SocketAddr) {
        self.http.lead_to(http);
        self.grpc.lead_to(grpc);
        self.http.accept_again().await;
        self.grpc.accept_again().await;
    }

    /// Resets every connection.
    pub(crate) fn reset_all(&self) {
        self.http.reset_all();
        self.grpc.reset_all();
    }
}
