//! Accepts connections, each into a task of its own, and ends those that do nothing.
//!
//! HTTP/1 alone: no Nacos client speaks anything else on this port, and hyper's HTTP/1 answers a request where it was
//! read. A connection that is silent too long is found by a timer of its own that looks once per period; requests never
//! touch it.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tracing::{debug, warn};

use crate::calls::{self, Ends};
use crate::settings::{ACCEPT_PAUSE, CLOSING_MAX, HEAD_LEN_MAX, HEADERS_MAX};
use crate::table::Table;

/// Serves one listener until the server stops.
pub async fn serve(table: Arc<Table>, listener: TcpListener) {
    let tasks = table.app.tasks.clone();
    let open = Arc::new(AtomicUsize::new(0));
    let max = table.settings.connections_max;
    loop {
        let accepted = tokio::select! {
            biased;
            () = tasks.stopping() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) if open.load(Ordering::Relaxed) >= max => {
                warn!(max, "connection refused: as many are open as may be");
                drop(socket);
            }
            Ok((socket, remote)) => {
                let counted = Counted::new(&open);
                let table = Arc::clone(&table);
                tasks.spawn(async move {
                    handle(table, socket, remote).await;
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

/// How many requests of a connection began and ended.
#[derive(Debug, Default)]
struct Progress {
    begun: AtomicU64,
    ended: AtomicU64,
}

async fn handle(table: Arc<Table>, socket: TcpStream, remote: SocketAddr) {
    let Ok(local) = socket.local_addr() else { return };
    // Without it answers would wait for more data; a socket that refuses the option still works.
    socket.set_nodelay(true).ok();
    let progress = Arc::new(Progress::default());
    let service = {
        let (table, progress) = (Arc::clone(&table), Arc::clone(&progress));
        let ends = Ends { remote, local };
        service_fn(move |request: Request<Incoming>| {
            let (table, progress) = (Arc::clone(&table), Arc::clone(&progress));
            async move {
                progress.begun.fetch_add(1, Ordering::Relaxed);
                let answer = calls::answer(table, ends, request).await;
                progress.ended.fetch_add(1, Ordering::Relaxed);
                answer
            }
        })
    };
    // Each answer is one write, flushed at once: held back for more of the pipeline, an answer would wait for the rest of
    // a request that was only begun, and the answer to what is no request would never leave.
    let http1 = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_LEN_MAX)
        .writev(false)
        .serve_connection(TokioIo::new(socket), service);
    let mut http1 = pin!(http1);
    let stop = table.app.tasks.child_signal();
    let mut stopping = pin!(stop.cancelled());
    let mut watch = Watch::new(&progress, table.settings.quiet_max());
    let ended = std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = http1.as_mut().poll(cx) {
            return Poll::Ready(Ended::ByItself(result));
        }
        if stopping.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ended::Stopping);
        }
        watch.poll(cx).map(|()| Ended::Quiet)
    })
    .await;
    match ended {
        Ended::ByItself(Ok(())) => {}
        Ended::ByItself(Err(error)) => debug!(%remote, %error, "connection broke"),
        Ended::Quiet => debug!(%remote, "connection closed: it did nothing"),
        Ended::Stopping => {
            http1.as_mut().graceful_shutdown();
            if tokio::time::timeout(CLOSING_MAX, http1).await.is_err() {
                debug!(%remote, "connection closed before it ended");
            }
        }
    }
}

/// Why a connection is over.
enum Ended {
    ByItself(hyper::Result<()>),
    Stopping,
    Quiet,
}

/// Ends when a connection did nothing for one whole period: no request is under way, and none was answered.
struct Watch<'a> {
    progress: &'a Progress,
    period: std::time::Duration,
    next: Pin<Box<Sleep>>,
    seen: u64,
}

impl<'a> Watch<'a> {
    fn new(progress: &'a Progress, period: std::time::Duration) -> Self {
        Self { progress, period, next: Box::pin(tokio::time::sleep(period)), seen: 0 }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.next.as_mut().poll(cx).is_ready() {
            let ended = self.progress.ended.load(Ordering::Relaxed);
            if self.progress.begun.load(Ordering::Relaxed) == ended && self.seen == ended {
                return Poll::Ready(());
            }
            self.seen = ended;
            let again = self.next.deadline() + self.period;
            self.next.as_mut().reset(again);
        }
        Poll::Pending
    }
}
