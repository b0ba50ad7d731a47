//! For tests of users: a server inside the test that does what the test tells it, right or wrong.
//!
//! It lets clients in and answers every request of theirs with success, until it is told otherwise: to be slow, to be silent,
//! to refuse, to break connections, to leave fields out, to go away and come back. It counts what it sees. It knows no
//! service and no config; what it should say about them, the test says ([`ScriptedServer::on`]).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use nacrite_client::testkit::{Reply, ScriptedServer};
//! use serde_json::json;
//!
//! let server = ScriptedServer::start().await;
//! server.on("ServiceQueryRequest", |_| Reply::Failed { code: 500, message: "out of order".into() });
//! server.change(|behaviour| behaviour.answers_after = std::time::Duration::from_millis(50));
//! assert_eq!(server.counts().accepted, 0);
//! # }
//! ```
//!
//! Everything here panics when it cannot do what it was asked: a test that cannot be set up has failed.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod connection;
mod message;
mod readers;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::server::ServerAddress;
use connection::Serving;

#[doc(hidden)]
pub use readers::read_as_everything;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pushes that wait for a connection to take them; a test that has more has lost count.
const PUSHES_MAX: usize = 256;

/// Requests that are remembered; the oldest are forgotten first.
const REQUESTS_MAX: usize = 10_000;

/// What a server says to a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Success, with these fields besides those of every answer.
    Done(Value),
    /// The answer that belongs to the request, with a failure in it.
    Failed {
        /// `errorCode`.
        code: i64,
        /// Words.
        message: String,
    },
    /// An `ErrorResponse`.
    Error {
        /// `errorCode`.
        code: i64,
        /// Words.
        message: String,
    },
    /// Any type and any bytes.
    Raw(&'static str, Vec<u8>),
    /// A status of gRPC in place of an answer.
    Status(u8, &'static str),
    /// The call is reset.
    Reset,
    /// The connection is reset.
    Cut,
    /// Nothing, ever.
    Silence,
}

/// How a server receives a client that introduces itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// It is let in.
    #[default]
    Open,
    /// The question of what server it is, is answered with 300: the server is starting.
    Starting,
    /// The stream is ended without a word, as by a server with as many clients as it may have.
    Full,
    /// The introduction is overheard: no acknowledgement, and the connection stays unknown.
    Deaf,
    /// The connection becomes known this much later than it should.
    Late(Duration),
}

/// How a server behaves. Changes count from the next message on, those about introductions from the next connection on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Behaviour {
    /// Whether it tells its abilities. Servers before 2.3 and r-nacos do not.
    pub negotiates: bool,
    /// What it says it can do, in Nacos's names.
    pub abilities: BTreeMap<String, bool>,
    /// How it receives clients.
    pub admission: Admission,
    /// Every answer comes this much later.
    pub answers_after: Duration,
    /// Fields that are left out of every answer and push.
    pub leaves_out: Vec<String>,
    /// Fields that are `null` in every answer and push.
    pub nulls: Vec<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            negotiates: true,
            abilities: BTreeMap::from([("supportPersistentInstanceByGrpc".to_owned(), true)]),
            admission: Admission::Open,
            answers_after: Duration::ZERO,
            leaves_out: Vec::new(),
            nulls: Vec::new(),
        }
    }
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Number of the connection, from 1.
    pub connection: u64,
    /// Type.
    pub wire_type: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Value,
}

/// What a server has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Those of them that are open now.
    pub open: u64,
    /// Those whose client is let in now.
    pub registered: u64,
    /// Requests on all of them, introductions and answers to pushes not counted.
    pub requests: u64,
}

type Script = Arc<dyn Fn(&Value) -> Reply + Send + Sync>;

/// Whether a server moves at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Motion {
    Moving,
    Frozen,
}

/// A connection as the server's handle sees it.
struct Known {
    cut: CancellationToken,
    push: mpsc::Sender<Pushed>,
    is_registered: bool,
}

/// A push on its way.
enum Pushed {
    Message { wire_type: &'static str, body: Value },
    End,
}

struct State {
    behaviour: Behaviour,
    scripts: HashMap<&'static str, Script>,
    counts: Counts,
    connections: BTreeMap<u64, Known>,
    seen: VecDeque<Seen>,
    /// What came on streams: introductions and answers to pushes.
    heard: Vec<Seen>,
    push_id: u64,
}

struct Shared {
    state: Mutex<State>,
    /// Goes up with everything that is seen, so that it can be waited for.
    version: watch::Sender<u64>,
    motion: watch::Sender<Motion>,
    tasks: TaskTracker,
}

/// The task that accepts connections, and what ends it.
struct Listening {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A server inside a test. It is gone when this is dropped.
pub struct ScriptedServer {
    shared: Arc<Shared>,
    at: SocketAddr,
    listening: Mutex<Option<Listening>>,
    all: CancellationToken,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl ScriptedServer {
    /// A server on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST).await
    }

    /// A server on a free port of this address, so that several differ in their addresses (`127.0.0.2`…).
    pub async fn start_at(ip: impl Into<IpAddr>) -> Self {
        let listener = TcpListener::bind((ip.into(), 0)).await.expect("a free port");
        let at = listener.local_addr().expect("a bound socket has an address");
        let state = State {
            behaviour: Behaviour::default(),
            scripts: HashMap::new(),
            counts: Counts::default(),
            connections: BTreeMap::new(),
            seen: VecDeque::new(),
            heard: Vec::new(),
            push_id: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            version: watch::Sender::new(0),
            motion: watch::Sender::new(Motion::Moving),
            tasks: TaskTracker::new(),
        });
        let all = CancellationToken::new();
        let server = Self { shared, at, listening: Mutex::default(), all, tls: None };
        server.serve(listener);
        server
    }

    /// A server on a free port of 127.0.0.1 that speaks TLS alone.
    pub async fn start_encrypted(tls: Arc<rustls::ServerConfig>) -> Self {
        let mut server = Self::start().await;
        server.stop().await;
        server.tls = Some(tls);
        server.start_again().await;
        server
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> ServerAddress {
        let main: ServerAddress = format!("{}:8848", self.at.ip()).parse().expect("a good address");
        main.with_grpc_port(self.at.port())
    }

    /// Changes how it behaves.
    pub fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.state.lock().behaviour);
    }

    /// Answers requests of this type as `script` says. A later script for a type takes the place of an earlier one.
    pub fn on(&self, wire_type: &'static str, script: impl Fn(&Value) -> Reply + Send + Sync + 'static) {
        self.shared.state.lock().scripts.insert(wire_type, Arc::new(script));
    }

    /// What it has seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.state.lock().counts
    }

    /// The requests that came, in their order; only those of one type, if one is given.
    #[must_use]
    pub fn seen(&self, wire_type: Option<&str>) -> Vec<Seen> {
        of_type(self.shared.state.lock().seen.iter(), wire_type)
    }

    /// What came on streams, in its order: introductions and answers to pushes.
    #[must_use]
    pub fn heard(&self, wire_type: Option<&str>) -> Vec<Seen> {
        of_type(self.shared.state.lock().heard.iter(), wire_type)
    }

    /// Waits until it has seen enough.
    pub async fn until(&self, enough: impl Fn(&Counts) -> bool) {
        let mut version = self.shared.version.subscribe();
        let waited = tokio::time::timeout(PATIENCE, version.wait_for(|_| enough(&self.shared.state.lock().counts)));
        if waited.await.is_err() {
            panic!("in vain: {:?}", self.counts());
        }
    }

    /// Waits for the first request of a type at which `enough` is content.
    pub async fn until_seen(&self, wire_type: &str, enough: impl Fn(&Seen) -> bool) -> Seen {
        let mut version = self.shared.version.subscribe();
        let find = || self.seen(Some(wire_type)).into_iter().find(|seen| enough(seen));
        let waited = tokio::time::timeout(PATIENCE, version.wait_for(|_| find().is_some())).await;
        assert!(waited.is_ok(), "no such {wire_type} came");
        find().expect("it was there")
    }

    /// Pushes to the newest client that is let in, and waits for its answer. The id is put in here.
    pub async fn push(&self, wire_type: &'static str, body: Value) -> Seen {
        let id = self.send(wire_type, body);
        let mut version = self.shared.version.subscribe();
        let find = || self.heard(None).into_iter().find(|heard| heard.body["requestId"] == id.as_str());
        let waited = tokio::time::timeout(PATIENCE, version.wait_for(|_| find().is_some())).await;
        assert!(waited.is_ok(), "the push {wire_type} is not answered");
        find().expect("it was there")
    }

    /// Pushes to the newest client that is let in, and does not wait. Returns the id that was put in.
    pub fn send(&self, wire_type: &'static str, mut body: Value) -> String {
        let mut state = self.shared.state.lock();
        state.push_id += 1;
        let id = state.push_id.to_string();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("requestId".to_owned(), json!(id));
        }
        let newest = state.connections.values().rev().find(|known| known.is_registered).expect("a client is let in");
        newest.push.try_send(Pushed::Message { wire_type, body }).expect("room for a push");
        id
    }

    /// Asks the newest client to go elsewhere, and waits for its answer.
    pub async fn send_away(&self, to: Option<&ServerAddress>) -> Seen {
        let body = match to {
            Some(to) => json!({"serverIp": to.host(), "serverPort": to.port().to_string(), "module": "internal"}),
            None => json!({"module": "internal"}),
        };
        self.push("ConnectResetRequest", body).await
    }

    /// Forgets every client, and leaves its connection open: the next request of each is answered with 301.
    pub fn forget(&self) {
        let mut state = self.shared.state.lock();
        state.connections.values_mut().for_each(|known| known.is_registered = false);
        state.counts.registered = 0;
    }

    /// Ends the stream of every client, and leaves the connections open.
    pub fn end_streams(&self) {
        for known in self.shared.state.lock().connections.values() {
            // A connection that is full of pushes is broken already, for the test that filled it.
            known.push.try_send(Pushed::End).ok();
        }
    }

    /// Resets every connection.
    pub fn cut(&self) {
        self.shared.state.lock().connections.values().for_each(|known| known.cut.cancel());
    }

    /// Neither reads nor writes from now on, and closes nothing: as if the machine had lost its power, or the way to it.
    pub fn freeze(&self) {
        self.shared.motion.send_replace(Motion::Frozen);
    }

    /// Goes on after [`Self::freeze`].
    pub fn thaw(&self) {
        self.shared.motion.send_replace(Motion::Moving);
    }

    /// Resets every connection and refuses new ones, as if the program had ended.
    pub async fn stop(&self) {
        let listening = self.listening.lock().take();
        if let Some(Listening { stop, task }) = listening {
            stop.cancel();
            task.await.expect("the port is closed");
        }
        self.cut();
        self.until(|counts| counts.open == 0).await;
    }

    /// Comes back on the same port after [`Self::stop`].
    pub async fn start_again(&self) {
        let listener = TcpListener::bind(self.at).await.expect("the port is still free");
        self.serve(listener);
    }

    fn serve(&self, listener: TcpListener) {
        let stop = self.all.child_token();
        let stopping = stop.clone();
        let (shared, all) = (Arc::clone(&self.shared), self.all.clone());
        let tls = self.tls.clone().map(TlsAcceptor::from);
        let task = self.shared.tasks.spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = accept(shared, listener, tls, all) => {}
            }
        });
        *self.listening.lock() = Some(Listening { stop, task });
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.all.cancel();
    }
}

/// Accepts connections, as long as the server moves.
async fn accept(shared: Arc<Shared>, listener: TcpListener, tls: Option<TlsAcceptor>, all: CancellationToken) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        // Dropped sockets reset their connections, so that a cut is one.
        socket.set_zero_linger().expect("a socket of a test");
        socket.set_nodelay(true).expect("a socket of a test");
        let (serving, cut) = Serving::new(&shared, all.child_token());
        let tls = tls.clone();
        shared.tasks.spawn(async move {
            let served = async {
                match tls {
                    None => serving.run(socket).await,
                    // A client that does not agree on TLS is gone.
                    Some(tls) => match tls.accept(socket).await {
                        Ok(socket) => serving.run(socket).await,
                        Err(_) => drop(serving),
                    },
                }
            };
            tokio::select! {
                () = cut.cancelled() => {}
                () = served => {}
            }
        });
    }
}

fn of_type<'a>(all: impl Iterator<Item = &'a Seen>, wire_type: Option<&str>) -> Vec<Seen> {
    all.filter(|seen| wire_type.is_none_or(|wire_type| seen.wire_type == wire_type)).cloned().collect()
}

impl Shared {
    /// Changes what is known and tells who waits for it.
    fn note<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock());
        self.version.send_modify(|version| *version += 1);
        changed
    }

    /// Waits until the server moves.
    async fn moving(&self) {
        let mut motion = self.motion.subscribe();
        motion.wait_for(|motion| *motion == Motion::Moving).await.expect("the server lives");
    }

    /// Waits until the server stands still.
    async fn frozen(&self) {
        let mut motion = self.motion.subscribe();
        motion.wait_for(|motion| *motion == Motion::Frozen).await.expect("the server lives");
    }
}
