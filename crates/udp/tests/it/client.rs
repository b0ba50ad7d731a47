//! A client that asks over HTTP and takes packets, as clients of the first generation do.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};

use flate2::read::GzDecoder;
use nacrite_testkit::Node;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// One request on a connection of its own; returns the body of the answer.
pub(crate) async fn ask(node: &Node, method: &str, target: &str, agent: &str) -> String {
    let mut socket = TcpStream::connect(node.http).await.expect("the server listens");
    let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await.expect("the server reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("a text");
    answer.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
}

/// The addresses of a list.
pub(crate) fn hosts(list: &Value) -> Vec<String> {
    let hosts = list["hosts"].as_array().expect("hosts");
    let address = |host: &Value| format!("{}:{}", host["ip"].as_str().expect("an address"), host["port"]);
    hosts.iter().map(address).collect()
}

/// A packet that arrived.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) mark: u64,
    pub(crate) list: Value,
    pub(crate) was_packed: bool,
    from: SocketAddr,
}

pub(crate) struct Client {
    socket: UdpSocket,
    server: parking_lot::Mutex<Option<SocketAddr>>,
}

impl Client {
    pub(crate) async fn new() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        Self { socket, server: parking_lot::Mutex::new(None) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().expect("a bound socket has an address").port()
    }

    /// Asks for a list and says where it listens.
    pub(crate) async fn poll(&self, node: &Node, query: &str, agent: &str) -> Value {
        let port = self.port();
        let target = format!("/nacos/v1/ns/instance/list?{query}&udpPort={port}&clientIP=127.0.0.1&healthyOnly=false");
        serde_json::from_str(&ask(node, "GET", &target, agent).await).expect("JSON")
    }

    /// The next packet.
    pub(crate) async fn pushed(&self) -> Pushed {
        let mut bytes = vec![0; 64 * 1024];
        let (len, from) = self.socket.recv_from(&mut bytes).await.expect("a packet");
        bytes.truncate(len);
        *self.server.lock() = Some(from);
        let was_packed = bytes.starts_with(&[0x1f, 0x8b]);
        if was_packed {
            let mut plain = Vec::new();
            GzDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("it inflates");
            bytes = plain;
        }
        let packet: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(packet["type"], "dom");
        let list = serde_json::from_str(packet["data"].as_str().expect("a text")).expect("a list");
        Pushed { mark: packet["lastRefTime"].as_u64().expect("a number"), list, was_packed, from }
    }

    /// Acknowledges as Java does.
    pub(crate) async fn acknowledge(&self, pushed: &Pushed) {
        let ack = format!(r#"{{"type": "push-ack", "lastRefTime":"{}", "data":""}}"#, pushed.mark);
        self.socket.send_to(ack.as_bytes(), pushed.from).await.expect("it is sent");
    }

    /// Sends anything to whoever pushed last.
    pub(crate) async fn say(&self, bytes: &[u8]) {
        let server = *self.server.lock();
        self.socket.send_to(bytes, server.expect("something was pushed")).await.expect("it is sent");
    }
}
