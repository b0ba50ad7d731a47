//! Accepts connections of one listener, each into a task of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nacrite_app::connections::{Connection, Listener};
use nacrite_base::ConnectionId;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::connection::Driver;
use crate::table::Table;

/// A client must complete the handshake of HTTP/2 in this time.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// When the operating system gives no more sockets, the next try is made after this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Calls that one client may have under way; its library queues further ones.
const STREAMS_MAX: u32 = 1024;

/// Bytes that a client may send ahead, per call and in all: one large config goes through without waiting.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Bytes of one call or stream that h2 takes over before the socket does. A subscriber that stops reading costs this much
/// and the message that waits behind it, whatever window it granted; Nacos calls a stream with more unsent not ready.
const UNSENT_STREAM_LEN_MAX: usize = 32 * 1024;

/// Bytes of headers that are read; Nacos clients send a few hundred.
const HEADERS_LEN_MAX: u32 = 16 * 1024;

/// Calls that a client may give up before they were looked at; more in a row is an attack, and ends the connection.
const EARLY_RESETS_MAX: usize = 64;

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

async fn handle(table: Arc<Table>, socket: TcpStream, remote: SocketAddr, role: Listener) {
    let Ok(local) = socket.local_addr() else { return };
    // Without it answers would wait for more data; a socket that refuses the option still works.
    socket.set_nodelay(true).ok();
    let handshake = http2().handshake(socket);
    let http2 = match tokio::time::timeout(HANDSHAKE_MAX, handshake).await {
        Ok(Ok(http2)) => http2,
        Ok(Err(error)) => return debug!(%remote, %error, "not an HTTP/2 client"),
        Err(_) => return debug!(%remote, "the client does not complete its handshake"),
    };
    let app = &table.app;
    let now = app.clock.now();
    let id = ConnectionId::new(&format!("{}_{}_{}", now.as_ms(), remote.ip(), remote.port()));
    let close = app.tasks.child_signal();
    let connection = Arc::new(Connection::closed_by(close, id, remote, local.port(), role, now));
    app.connected(&connection);
    Driver::new(http2, Arc::clone(&table), connection, local.ip().to_string().into()).await;
}

/// The settings of HTTP/2. Made apart, so that they are not kept for as long as the connection lives.
fn http2() -> h2::server::Builder {
    let mut http2 = h2::server::Builder::new();
    http2
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_LEN_MAX)
        .max_pending_accept_reset_streams(EARLY_RESETS_MAX)
        .max_send_buffer_size(UNSENT_STREAM_LEN_MAX);
    http2
}
