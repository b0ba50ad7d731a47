//! Accepts connections of one listener, each into a task of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nacrite_app::connections::{Connection, Listener};
use nacrite_base::ConnectionId;
use nacrite_http2::{Limits, PREFACE, Server};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::connection::Driver;
use crate::table::Table;

/// A client must complete the handshake of HTTP/2 in this time.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// When the operating system gives no more sockets, the next try is made after this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Calls that one client may have under way; its library queues further ones.
pub(crate) const STREAMS_MAX: u32 = 1024;

/// Bytes that a client may send ahead, per call and in all: one large config goes through without waiting.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Bytes of headers that are read; Nacos clients send a few hundred.
const HEADERS_LEN_MAX: usize = 16 * 1024;

/// Calls that may come to nothing in a row: given up before they were looked at, or broken. More is an attack, and ends the
/// connection.
const WASTED_MAX: u32 = 64;

/// Serves one listener until the server stops. At most `max` connections are open at one time.
pub async fn serve(table: Arc<Table>, listener: TcpListener, role: Listener, max: usize) {
    let tasks = table.app.tasks.clone();
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = tokio::select! {
            biased;
            () = tasks.stopping() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) if open.load(Ordering::Relaxed) >= max => {
                warn!(max, "connection refused: as many are open as may be");
                table.app.metrics.refused("port", "intercept");
                drop(socket);
            }
            Ok((socket, remote)) => {
                let counted = Counted::new(&open);
                let table = Arc::clone(&table);
                tasks.spawn(async move {
                    handle(table, socket, remote, role).await;
                    drop(counted);
                });
            }
            Err(error) => {
                warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection that is open, for as long as this lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The bounds of HTTP/2.
const LIMITS: Limits = Limits {
    streams: STREAMS_MAX,
    stream_window: STREAM_WINDOW,
    connection_window: CONNECTION_WINDOW,
    header_list_len: HEADERS_LEN_MAX,
    wasted: WASTED_MAX,
};

async fn handle(table: Arc<Table>, mut socket: TcpStream, remote: SocketAddr, role: Listener) {
    let Ok(local) = socket.local_addr() else { return };
    // Without it answers would wait for more data; a socket that refuses the option still works.
    socket.set_nodelay(true).ok();
    match tokio::time::timeout(HANDSHAKE_MAX, preface(&mut socket)).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => return debug!(%remote, "not an HTTP/2 client"),
        Ok(Err(error)) => return debug!(%remote, %error, "the connection broke before it began"),
        Err(_) => return debug!(%remote, "the client does not complete its handshake"),
    }
    let app = &table.app;
    let now = app.clock.now();
    let id = ConnectionId::new(&format!("{}_{}_{}", now.as_ms(), remote.ip(), remote.port()));
    let close = app.tasks.child_signal();
    let connection = Arc::new(Connection::closed_by(close, id, remote, local.port(), role, now));
    app.connected(&connection);
    let local_ip = local.ip().to_string().into();
    Driver::new(socket, Server::new(LIMITS), Arc::clone(&table), connection, local_ip).await;
}

/// Reads what every client of HTTP/2 says first, and nothing behind it. Returns whether it was that.
async fn preface(socket: &mut TcpStream) -> std::io::Result<bool> {
    let mut read = [0; PREFACE.len()];
    let mut len = 0;
    while len < PREFACE.len() {
        match socket.read(&mut read[len..]).await? {
            0 => return Ok(false),
            more => len += more,
        }
        if read[..len] != PREFACE[..len] {
            return Ok(false);
        }
    }
    Ok(true)
}
