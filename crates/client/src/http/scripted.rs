//! For tests alone: a server that answers as a test wants it to, and remembers what it was asked.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::{Http, Proxy};
use crate::error::Error;
use crate::link::{HeaderSource, Resource, ServerSource};
use crate::server::ServerAddress;
use crate::servers::Fixed;
use crate::tasks::Tasks;
use crate::tls::TlsSetup;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    /// The path alone.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether `name=value` stands in the query or in the form.
    pub(crate) fn says(&self, pair: &str) -> bool {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        query.split('&').chain(self.body.split('&')).any(|part| part == pair)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
    /// Answers never.
    hangs: bool,
}

impl Answer {
    pub(crate) fn text(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), headers: vec![], hangs: false }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::text("") }
    }

    pub(crate) fn says(status: u16, body: &str) -> Self {
        Self { status, ..Self::text(body) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn never() -> Self {
        Self { hangs: true, ..Self::text("") }
    }
}

type Answers = Arc<dyn Fn(&Seen, usize) -> Answer + Send + Sync>;

/// A server that runs until it is stopped or dropped.
pub(crate) struct Script {
    pub(crate) server: ServerAddress,
    pub(crate) tasks: Tasks,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Script {
    /// `answers` gets each request and how many came before it.
    pub(crate) async fn start(answers: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = address.to_string().parse().expect("an address");
        let (tasks, seen) = (Tasks::new().expect("inside a runtime"), Arc::<Mutex<Vec<Seen>>>::default());
        let answers: Answers = Arc::new(answers);
        let (spawner, memory) = (tasks.clone(), Arc::clone(&seen));
        tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = spawner.stopping() => return,
                };
                let Ok((stream, _)) = accepted else { continue };
                let (stop, answers, memory) = (spawner.clone(), Arc::clone(&answers), Arc::clone(&memory));
                spawner.spawn(async move {
                    let service = service_fn(|request| answer(request, &answers, &memory));
                    let connection =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    tokio::select! {
                        // A client that goes away is no failure of a test.
                        _ = connection => {}
                        () = stop.stopping() => {}
                    }
                });
            }
        });
        Self { server, tasks, seen }
    }

    /// A client of it.
    pub(crate) fn http(&self) -> Http {
        Http::new(TlsSetup::new(None).expect("nothing to load"), self.tasks.clone())
    }

    /// Asks it alone.
    pub(crate) fn proxy(&self, credentials: Arc<dyn HeaderSource>) -> Proxy {
        Proxy::new(self.http(), self.source(), credentials, "nacos")
    }

    /// A list with it alone.
    pub(crate) fn source(&self) -> Arc<dyn ServerSource> {
        Arc::new(Fixed::new([self.server.clone()]))
    }

    /// What it was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// Waits until it was asked for something that `fits`.
    pub(crate) async fn until(&self, fits: impl Fn(&Seen) -> bool) -> Seen {
        let found = async {
            loop {
                if let Some(seen) = self.seen.lock().iter().find(|seen| fits(seen)) {
                    return seen.clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("it is asked in time")
    }

    /// Ends everything, also what hangs on [`Self::tasks`].
    pub(crate) async fn stop(self) {
        assert!(self.tasks.stop(Duration::from_secs(5)).await, "a task did not end");
    }
}

async fn answer(
    request: Request<Incoming>,
    answers: &Answers,
    memory: &Mutex<Vec<Seen>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let seen = Seen {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let turn = {
        let mut memory = memory.lock();
        memory.push(seen.clone());
        memory.len() - 1
    };
    let answer = answers(&seen, turn);
    if answer.hangs {
        std::future::pending::<()>().await;
    }
    let mut response = Response::new(Full::new(answer.body.into()));
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("a status");
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value.parse().expect("a header"));
    }
    Ok(response)
}

/// Nobody in particular, with nothing new to try.
pub(crate) struct Nobody;

impl HeaderSource for Nobody {
    fn headers<'a>(&'a self, _: Resource<'a>) -> BoxFuture<'a, Result<Vec<(String, String)>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn refused(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }
}
