//! A whole server inside a test: on free ports, in a directory that vanishes with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nacrite_app::connections::Listener;
use nacrite_app::logging::LogControl;
use nacrite_app::pipeline::NodeIdentity;
use nacrite_app::{App, AppSettings, Outside};
use nacrite_cluster::raft::OnFatal;
use nacrite_env::clock::SystemClock;
use nacrite_env::dial::FakeNetwork;
use nacrite_env::random::SeededRandom;
use nacrite_http::HttpSettings;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Long enough for a slow machine; a server that takes longer is broken.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A server inside a test.
#[derive(Debug)]
pub struct Node {
    /// The server between its edges.
    pub app: Arc<App>,
    /// What health checks reach: no check leaves the process, and every address serves unless a test says otherwise.
    pub network: Arc<FakeNetwork>,
    /// Where it speaks HTTP.
    pub http: SocketAddr,
    /// Where clients speak gRPC.
    pub clients: SocketAddr,
    /// Where nodes speak gRPC.
    pub nodes: SocketAddr,
    /// Where acknowledgements of what it pushes over UDP go.
    pub udp: SocketAddr,
    dir: Option<TempDir>,
}

/// The identity that nodes of tests share.
#[must_use]
pub fn identity() -> NodeIdentity {
    NodeIdentity { key: "node-key".to_owned(), value: "node-secret".to_owned() }
}

impl Node {
    /// A server with default settings.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A server whose settings `change` adjusts.
    pub async fn start_with(change: impl FnOnce(&mut AppSettings)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut node = Self::start_in(dir.path(), change).await;
        node.dir = Some(dir);
        node
    }

    /// A server on the data that `dir` has.
    pub async fn start_in(dir: &Path, change: impl FnOnce(&mut AppSettings)) -> Self {
        let mut settings = AppSettings { identity: Some(identity()), ..AppSettings::default() };
        change(&mut settings);
        let connections_max = settings.connection.max;
        let network = Arc::new(FakeNetwork::serving());
        let outside = Outside {
            clock: Arc::new(SystemClock::start()),
            random: Arc::new(SeededRandom::from_seed(1)),
            dial: Arc::<FakeNetwork>::clone(&network),
            on_fatal: OnFatal::new(|reason| panic!("the server cannot go on: {reason}")),
            log: LogControl::fixed(),
        };
        let app = App::start(dir, settings, outside).await.expect("the data directory opens");
        assert!(app.ready(READY_WITHIN).await, "the journal does not become ready");
        let table = Arc::new(nacrite_grpc::Table::new(Arc::clone(&app)));
        let (clients_at, clients) = free_port().await;
        let (nodes_at, nodes) = free_port().await;
        app.tasks.spawn(nacrite_grpc::serve(Arc::clone(&table), clients, Listener::Clients, connections_max));
        app.tasks.spawn(nacrite_grpc::serve(table, nodes, Listener::Nodes, connections_max));
        let table = Arc::new(nacrite_http::Table::new(Arc::clone(&app), HttpSettings::default()));
        let (http_at, http) = free_port().await;
        app.tasks.spawn(nacrite_http::serve(table, http));
        let udp = nacrite_udp::bind(Ipv4Addr::LOCALHOST.into(), 0).expect("a free port");
        let udp_port = udp.local_addr().expect("a bound socket has an address").port();
        nacrite_udp::start(&app, udp).expect("a bound socket has an address");
        let udp = SocketAddr::from((Ipv4Addr::LOCALHOST, udp_port));
        Self { app, network, http: http_at, clients: clients_at, nodes: nodes_at, udp, dir: None }
    }

    /// Stops in order. Returns the directory, so that another server can be started on it.
    pub async fn stop(self) -> Option<TempDir> {
        assert!(self.app.stop().await, "something did not end in time");
        self.dir
    }
}

async fn free_port() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    (listener.local_addr().expect("a bound socket has an address"), listener)
}
