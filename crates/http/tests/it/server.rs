//! A server for a test, and a client that sends exactly the bytes it is given.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use nacrite_app::App;
use nacrite_http::{HttpSettings, Table, serve};
use nacrite_testkit::Node;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A whole server with its HTTP listener.
pub(crate) struct Server {
    pub(crate) node: Node,
    at: SocketAddr,
    /// Where it was started again.
    directory: Option<TempDir>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(HttpSettings::default()).await
    }

    pub(crate) async fn start_with(settings: HttpSettings) -> Self {
        Self::over(Node::start().await, settings).await
    }

    async fn over(node: Node, settings: HttpSettings) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let at = listener.local_addr().expect("a bound socket has an address");
        let table = Arc::new(Table::new(Arc::clone(&node.app), settings));
        node.app.tasks.spawn(serve(table, listener));
        Self { node, at, directory: None }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::to(self.at).await
    }

    /// One request without a body, on a connection of its own. `target` is what stands between method and version.
    pub(crate) async fn ask(&self, method: &str, target: &str) -> Answer {
        self.send(method, target, "", "").await
    }

    /// One request with a form.
    pub(crate) async fn form(&self, method: &str, target: &str, form: &str) -> Answer {
        self.send(method, target, "", form).await
    }

    /// One request with further header lines and a form.
    pub(crate) async fn send(&self, method: &str, target: &str, headers: &str, form: &str) -> Answer {
        exchange(self.at, request(method, target, headers, form)).await
    }

    /// The same in a task of its own; ending the task hangs up.
    #[expect(clippy::disallowed_methods, reason = "this task is a client, which no server awaits")]
    pub(crate) fn later(&self, method: &str, target: &str, headers: &str, form: &str) -> JoinHandle<Answer> {
        tokio::spawn(exchange(self.at, request(method, target, headers, form)))
    }

    /// Waits until something is true of the server.
    pub(crate) async fn until(&self, is_so: impl Fn(&App) -> bool) {
        while !is_so(&self.node.app) {
            tokio::task::yield_now().await;
        }
    }

    /// Stops in order.
    pub(crate) async fn stop(self) {
        self.node.stop().await;
    }

    /// Stops, and starts again on the same data.
    pub(crate) async fn restarted(self) -> Self {
        let first = self.node.stop().await;
        let directory = first.or(self.directory).expect("it was started in a directory of its own");
        let node = Node::start_in(directory.path(), |_| {}).await;
        let mut server = Self::over(node, HttpSettings::default()).await;
        server.directory = Some(directory);
        server
    }
}

fn request(method: &str, target: &str, headers: &str, form: &str) -> String {
    let body = if form.is_empty() {
        String::new()
    } else {
        format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len())
    };
    format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{headers}{body}\r\n{form}")
}

async fn exchange(at: SocketAddr, request: String) -> Answer {
    let mut connection = Connection::to(at).await;
    connection.send(request.as_bytes()).await;
    connection.answer().await
}

/// A form of these fields.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A connection that sends what it is given.
pub(crate) struct Connection {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    async fn to(at: SocketAddr) -> Self {
        let socket = TcpStream::connect(at).await.expect("the server listens");
        Self { socket, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // A server that refuses a body may close before all of it was sent; the answer tells.
        self.socket.write_all(bytes).await.ok();
    }

    /// The next answer to a request other than HEAD.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break self.read.drain(..end + 4).collect::<Vec<u8>>();
            }
            assert!(self.read_more().await, "the connection ended before the answer");
        };
        let head = String::from_utf8(head).expect("a head is text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        while self.read.len() < length {
            assert!(self.read_more().await, "the connection ended inside the answer");
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).expect("a body is text");
        Answer { status: status.expect("a status line"), headers, body }
    }

    /// Waits until the server closes. Returns what it still sent.
    pub(crate) async fn rest(&mut self) -> String {
        while self.read_more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    async fn read_more(&mut self) -> bool {
        let mut piece = [0; 4096];
        match self.socket.read(&mut piece).await {
            Ok(length) if length > 0 => {
                self.read.extend_from_slice(&piece[..length]);
                true
            }
            _ => false,
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        &self.body
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}
