//! A server of gRPC that says goodbye, or dies, when the test says so.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;
use tower_service::Service as _;

use crate::echo::{Echo, Script};

/// Nothing that a test waits for takes this long. A day, because a paused clock goes on to the next timer whenever nobody has
/// anything to do, also while bytes are on their way.
pub(crate) const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Now, by the clock that a test may have paused.
#[expect(clippy::disallowed_methods, reason = "a test's own clock is the runtime's")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Does something beside the test.
#[expect(clippy::disallowed_methods, reason = "a test's own tasks end with its runtime")]
pub(crate) fn beside<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// A server inside a test. It dies when this is dropped.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(crate) script: Arc<Script>,
    accepted: watch::Sender<usize>,
    open: watch::Sender<usize>,
    goodbye: CancellationToken,
    death: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_at(name, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None).await
    }

    /// A server that says how it is.
    pub(crate) async fn start_with_health(name: &str) -> (Self, HealthReporter) {
        let (reporter, service) = tonic_health::server::health_reporter();
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        (Self::start_as(name, at, None, Some(Routes::new(service))).await, reporter)
    }

    pub(crate) async fn start_at(name: &str, at: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        Self::start_as(name, at, tls, None).await
    }

    async fn start_as(name: &str, at: SocketAddr, tls: Option<TlsAcceptor>, health: Option<Routes>) -> Self {
        let listener = TcpListener::bind(at).await.expect("a free port");
        let script = Arc::new(Script {
            name: name.to_owned(),
            counting: Semaphore::new(0),
            is_silent: watch::Sender::new(false),
            is_broken: watch::Sender::new(false),
            calls: watch::Sender::new(0),
            metadata: watch::Sender::default(),
            authority: watch::Sender::default(),
            orders: Mutex::default(),
            previous: Mutex::default(),
            said: Mutex::default(),
        });
        let server = Self {
            at: listener.local_addr().expect("it is bound"),
            script,
            accepted: watch::Sender::new(0),
            open: watch::Sender::new(0),
            goodbye: CancellationToken::new(),
            death: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        server.serve(listener, tls, health);
        server
    }

    fn serve(&self, listener: TcpListener, tls: Option<TlsAcceptor>, health: Option<Routes>) {
        let echo = Echo { script: Arc::clone(&self.script), health };
        let (accepted, open) = (self.accepted.clone(), self.open.clone());
        let (goodbye, death, tasks) = (self.goodbye.clone(), self.death.clone(), self.tasks.clone());
        self.tasks.spawn(async move {
            loop {
                let stream = tokio::select! {
                    stream = listener.accept() => stream.expect("it listens").0,
                    () = goodbye.cancelled() => return,
                    () = death.cancelled() => return,
                };
                accepted.send_modify(|count| *count += 1);
                open.send_modify(|count| *count += 1);
                let (open, goodbye, death) = (open.clone(), goodbye.clone(), death.clone());
                let connection = connection(stream, tls.clone(), echo.clone(), goodbye);
                tasks.spawn(async move {
                    death.run_until_cancelled(connection).await;
                    open.send_modify(|count| *count -= 1);
                });
            }
        });
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.at.to_string()
    }

    /// Listens no more, tells every connection so, and lets calls end.
    pub(crate) fn say_goodbye(&self) {
        self.goodbye.cancel();
    }

    /// Is gone, with everything that was open.
    pub(crate) async fn die(self) -> SocketAddr {
        self.death.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.at
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        *self.accepted.borrow()
    }

    pub(crate) fn calls(&self) -> usize {
        *self.script.calls.borrow()
    }

    /// Waits until there were so many calls.
    pub(crate) async fn until_calls(&self, count: usize) {
        until(&self.script.calls, |calls| *calls >= count).await;
    }

    /// Waits until so many connections are open.
    pub(crate) async fn until_open(&self, count: usize) {
        until(&self.open, |open| *open == count).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.death.cancel();
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, echo: Echo, goodbye: CancellationToken) {
    match tls {
        None => http2(TokioIo::new(stream), echo, goodbye).await,
        Some(tls) => {
            let Ok(stream) = tls.accept(stream).await else { return };
            http2(TokioIo::new(stream), echo, goodbye).await;
        }
    }
}

async fn http2<I>(io: I, echo: Echo, goodbye: CancellationToken)
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        echo.clone().call(request.map(Body::new))
    });
    let serving = Builder::new(TokioExecutor::new()).serve_connection(io, service);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        served = &mut serving => return drop(served),
        () = goodbye.cancelled() => serving.as_mut().graceful_shutdown(),
    }
    serving.await.ok();
}

/// Waits for a state.
pub(crate) async fn until<T>(states: &watch::Sender<T>, is_reached: impl FnMut(&T) -> bool) {
    let mut states = states.subscribe();
    let reached = tokio::time::timeout(PATIENCE, states.wait_for(is_reached)).await;
    reached.expect("in time").expect("somebody tells");
}
