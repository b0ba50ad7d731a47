//! The server that the suite runs against: one of this project inside the test, or any other.

use std::process::Command;
use std::time::Duration;

use nacrite_client::{Client, ClientBuilder, ServerAddress};
use nacrite_testkit::Node;
use tokio::sync::Mutex;

use crate::proxy::Front;

/// Where another server is.
const SERVER: &str = "NACOS_SERVER";

/// Its port of gRPC, if it is not where it is expected.
const GRPC_PORT: &str = "NACOS_GRPC_PORT";

/// What restarts it.
const RESTART: &str = "NACOS_RESTART";

/// A server, and what marks this run of the suite on it.
pub(crate) struct Target {
    server: Server,
    address: ServerAddress,
    run: u32,
}

enum Server {
    /// Inside this test, behind ports that stay when it is restarted.
    Own { node: Mutex<Option<Node>>, front: Box<Front> },
    /// Anywhere.
    Foreign { restart: Option<String> },
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl Target {
    /// Starts a server, or takes the one that the environment names.
    pub(crate) async fn start() -> Self {
        let run = std::process::id();
        if let Some(server) = variable(SERVER) {
            let mut address: ServerAddress = server.parse().expect("NACOS_SERVER is an address");
            if let Some(port) = variable(GRPC_PORT) {
                address = address.with_grpc_port(port.parse().expect("NACOS_GRPC_PORT is a port"));
            }
            return Self { server: Server::Foreign { restart: variable(RESTART) }, address, run };
        }
        let node = Node::start().await;
        let front = Box::new(Front::to(node.http, node.clients).await);
        let address = front.address();
        Self { server: Server::Own { node: Mutex::new(Some(node)), front }, address, run }
    }

    /// Who it is.
    pub(crate) fn name(&self) -> String {
        match self.server {
            Server::Own { .. } => "a server of this project".to_owned(),
            Server::Foreign { .. } => format!("the server at {}", self.address),
        }
    }

    /// Whether it is not of this project.
    pub(crate) const fn is_foreign(&self) -> bool {
        matches!(self.server, Server::Foreign { .. })
    }

    /// A name that no other run of the suite uses.
    pub(crate) fn named(&self, name: &str) -> String {
        format!("{name}-{}", self.run)
    }

    /// A client in the default namespace.
    pub(crate) fn client(&self) -> Client {
        self.described().build().expect("a good description")
    }

    /// A client in another namespace.
    pub(crate) fn client_in(&self, namespace: &str) -> Client {
        self.described().namespace(namespace).build().expect("a good description")
    }

    fn described(&self) -> ClientBuilder {
        // Longer than by default: what is tested is what comes, not when.
        Client::builder().server_list([self.address.clone()]).request_within(Duration::from_secs(10))
    }

    /// Restarts it. `Err` with the reason if nobody knows how.
    pub(crate) async fn restart(&self, meanwhile: impl AsyncFnOnce()) -> Result<(), String> {
        match &self.server {
            Server::Own { node, front } => {
                let mut node = node.lock().await;
                front.refuse().await;
                let data = node.take().expect("it runs").stop().await.expect("its directory");
                meanwhile().await;
                let again = Node::start_in(&data.keep(), |_| {}).await;
                front.lead_to(again.http, again.clients).await;
                *node = Some(again);
                Ok(())
            }
            Server::Foreign { restart: None } => Err(format!("{RESTART} names no command that restarts the server")),
            Server::Foreign { restart: Some(command) } => {
                let status = Command::new("sh").args(["-c", command]).status().expect("a shell");
                assert!(status.success(), "{command}: {status}");
                meanwhile().await;
                Ok(())
            }
        }
    }

    /// Ends it, if it is of this test.
    pub(crate) async fn stop(self) {
        if let Server::Own { node, .. } = self.server {
            drop(node.into_inner().expect("it runs").stop().await);
        }
    }
}
