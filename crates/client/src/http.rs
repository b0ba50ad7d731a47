//! HTTP/1.1 towards servers: for what gRPC does not carry, and for servers without gRPC.
//!
//! [`Http`] sends one [`Call`] to one server and reads one [`Reply`]; it decides nothing. Which server is asked, how often,
//! and what an answer means, is [`proxy`]'s. Above it stand, each with its own words: [`naming`] (instances, lists,
//! subscriptions by polling and UDP; with the heart-beats of [`beats`]), [`config`] (contents, long polling) and the login
//! (`auth`).
//!
//! Redirects are not followed: a request may carry a token, and an address that is redirected should be corrected. No error
//! repeats a URL or a header.

pub(crate) mod beats;
mod body;
pub(crate) mod call;
pub(crate) mod config;
mod dial;
pub(crate) mod naming;
pub(crate) mod proxy;
#[cfg(test)]
pub(crate) mod recorded;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod udp;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use parking_lot::Mutex;
use tokio::time::Instant;

pub(crate) use call::Call;
pub(crate) use proxy::Proxy;

use crate::clock;
use crate::error::Error;
use crate::failure::{ConnectFailure, Layer};
use crate::server::ServerAddress;
use crate::tasks::Tasks;
use crate::tls::TlsSetup;

/// How long reaching a server may take, agreeing on keys included (Nacos: `namingConnectTimeout`, 3 s).
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// An idle connection is used again up to this age: Tomcat closes them after 20 s.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Idle connections that are kept for one server: as many as beats usually fall on one moment.
const IDLE_PER_SERVER_MAX: usize = 4;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Number of the outcome.
    pub(crate) status: StatusCode,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body, inflated.
    pub(crate) body: Bytes,
    /// From where it came.
    pub(crate) peer: IpAddr,
    /// The address of this machine that the server sees, unless something between changes it.
    pub(crate) local: Option<IpAddr>,
}

/// Sends requests and keeps connections. Clones share them.
#[derive(Clone)]
pub(crate) struct Http(Arc<Inner>);

struct Inner {
    tls: Arc<TlsSetup>,
    tasks: Tasks,
    idle: Mutex<HashMap<ServerAddress, Vec<Idle>>>,
}

/// A connection that waits for its next request.
struct Idle {
    line: Line,
    since: Instant,
}

/// A connection, and where it leads.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    peer: IpAddr,
    local: Option<IpAddr>,
}

impl Http {
    /// Connections hang on `tasks`.
    pub(crate) fn new(tls: impl Into<Arc<TlsSetup>>, tasks: Tasks) -> Self {
        Self(Arc::new(Inner { tls: tls.into(), tasks, idle: Mutex::default() }))
    }

    /// Sends `call` to `server` and reads the whole answer.
    ///
    /// # Errors
    /// [`Error::NotConnected`] if it was not sent; [`Error::Broken`], [`Error::Deadline`] and [`Error::Undecodable`] if it
    /// may have been done. Every answer that can be read is a success here, whatever its status.
    pub(crate) async fn send(&self, server: &ServerAddress, call: &Call<'_>, within: Duration) -> Result<Reply, Error> {
        if self.0.tasks.is_stopping() {
            return Err(Error::Closed);
        }
        let sent = tokio::time::timeout(within, self.send_at_last(server, call)).await;
        sent.unwrap_or_else(|_| Err(Error::Deadline { within, last: None }))
    }

    async fn send_at_last(&self, server: &ServerAddress, call: &Call<'_>) -> Result<Reply, Error> {
        while let Some(line) = self.idle(server) {
            match self.exchange(line, server, call).await {
                // The server closed it while nobody looked: that says nothing about the server, nor was the request read.
                Err(Failed { is_unread, error: Error::Broken(_) }) if is_unread || call.is_repeatable() => {}
                done => return done.map_err(|failed| failed.error),
            }
        }
        let line = self.dial(server).await?;
        self.exchange(line, server, call).await.map_err(|failed| failed.error)
    }

    fn idle(&self, server: &ServerAddress) -> Option<Line> {
        let now = clock::now();
        let mut idle = self.0.idle.lock();
        let lines = idle.get_mut(server)?;
        lines.retain(|idle| now.duration_since(idle.since) < IDLE_MAX && idle.line.sender.is_ready());
        let line = lines.pop().map(|idle| idle.line);
        if lines.is_empty() {
            idle.remove(server);
        }
        line
    }

    fn keep(&self, server: &ServerAddress, line: Line) {
        if line.sender.is_closed() || self.0.tasks.is_stopping() {
            return;
        }
        let now = clock::now();
        let mut idle = self.0.idle.lock();
        // Servers that are not asked any more shall not be remembered for ever.
        idle.retain(|_, lines| lines.last().is_some_and(|last| now.duration_since(last.since) < IDLE_MAX));
        let lines = idle.entry(server.clone()).or_default();
        if lines.len() == IDLE_PER_SERVER_MAX {
            lines.remove(0);
        }
        lines.push(Idle { line, since: now });
    }

    async fn dial(&self, server: &ServerAddress) -> Result<Line, Error> {
        let dialled = tokio::time::timeout(CONNECT_WITHIN, dial::dial(server, &self.0.tls)).await;
        let dial::Dialled { stream, peer, local } = dialled
            .unwrap_or_else(|_| Err((Layer::Tcp, format!("no connection within {} ms", CONNECT_WITHIN.as_millis()))))
            .map_err(|(layer, cause)| not_connected(server, layer, cause))?;
        let greeted = hyper::client::conn::http1::handshake(stream).await;
        let (sender, connection) = greeted.map_err(|e| not_connected(server, Layer::Handshake, e.to_string()))?;
        let tasks = self.0.tasks.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                // How it ended is told to whoever waits for an answer on it.
                _ = connection => {}
                () = tasks.stopping() => {}
            }
        });
        Ok(Line { sender, peer, local })
    }

    async fn exchange(&self, mut line: Line, server: &ServerAddress, call: &Call<'_>) -> Result<Reply, Failed> {
        let request: Request<Full<Bytes>> = call.request(server).map_err(|error| Failed { is_unread: false, error })?;
        let answered = line.sender.send_request(request).await.map_err(|error| Failed {
            is_unread: error.is_canceled(),
            error: Error::Broken(format!("{server}: {error}")),
        })?;
        let (head, incoming) = answered.into_parts();
        let read = body::read(&head.headers, incoming).await;
        let body = read.map_err(|error| Failed { is_unread: false, error: error.at(server) })?;
        let (peer, local) = (line.peer, line.local);
        self.keep(server, line);
        Ok(Reply { status: head.status, headers: head.headers, body, peer, local })
    }
}

/// Why there was no answer on a connection.
struct Failed {
    /// The server did not take the request: asking again cannot do it twice.
    is_unread: bool,
    error: Error,
}

fn not_connected(server: &ServerAddress, layer: Layer, cause: String) -> Error {
    // HTTP is spoken on the main port; a failure names the port at which it happened.
    let server = server.clone().with_grpc_port(server.port());
    Error::NotConnected(Some(ConnectFailure { server, layer, cause }))
}

#[cfg(test)]
mod tests;
