//! What a connection costs and when it ends, told by clients that speak in frames and keep no rule but those of the test.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::time::Duration;

use nacrite_app::connections::Introduction;
use nacrite_app::control::Mode;
use nacrite_app::control::tps::{Period, PointRule, Threshold};
use nacrite_testkit::grpc::framed;
use nacrite_testkit::{GrpcClient, Node};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{of_config, of_service};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn begin(stream: u32, path: &str) -> Vec<u8> {
    let len = u8::try_from(path.len()).expect("short");
    frame(HEADERS, END_HEADERS, stream, &[b"\x83\x86\x04", &[len][..], path.as_bytes()].concat())
}

fn call(stream: u32, wire_type: &'static str, body: &Value) -> Vec<u8> {
    let message = framed(wire_type, body.to_string().into());
    [begin(stream, "/Request/request"), frame(DATA, END, stream, &message)].concat()
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A client that says frames, and reads when it is told to.
struct Raw {
    socket: TcpStream,
}

impl Raw {
    /// Answers may be sent ahead as far as `window` says.
    async fn connect(node: &Node, window: u32) -> Self {
        let mut socket = TcpStream::connect(node.clients).await.expect("the server accepts");
        let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
        let hello = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &settings)].concat();
        socket.write_all(&hello).await.expect("the server reads");
        Self { socket }
    }

    async fn says(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("the server reads");
    }

    async fn hears(&mut self) -> Frame {
        let read = async {
            let mut head = [0; 9];
            self.socket.read_exact(&mut head).await.expect("a frame");
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.socket.read_exact(&mut payload).await.expect("a payload");
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            Frame { kind: head[3], flags: head[4], stream, payload }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("a frame in time")
    }

    /// The fields behind the answer on a stream, and how many bytes the answer had.
    async fn hears_the_end_of(&mut self, stream: u32) -> (String, usize) {
        let mut len = 0;
        loop {
            let frame = self.hears().await;
            assert_ne!(frame.kind, GOAWAY, "the connection goes on");
            if frame.stream == stream && frame.kind == DATA {
                len += frame.payload.len();
            }
            if frame.stream == stream && frame.kind == HEADERS && frame.flags & END != 0 {
                return (String::from_utf8_lossy(&frame.payload).into_owned(), len);
            }
        }
    }

    /// Introduces itself on stream 1; there must be room for what it is told.
    async fn introduces_itself(&mut self) {
        let setup = json!({"clientVersion": "x", "labels": {"module": "config"}, "abilityTable": {}});
        let setup = framed("ConnectionSetupRequest", setup.to_string().into());
        self.says(&[begin(1, "/BiRequestStream/requestBiStream"), frame(DATA, 0, 1, &setup)].concat()).await;
        while self.hears().await.kind != DATA {}
    }
}

/// A config that is larger than what a client may be sent without asking for more.
async fn publish_large(node: &Node) -> usize {
    let mut publisher = GrpcClient::registered(node.clients, "config").await;
    let content = "x".repeat(200_000);
    let published = publisher.ask("ConfigPublishRequest", &of_config("large", json!({"content": content}))).await;
    assert_eq!(published.body["resultCode"], 200, "{published:?}");
    let found = publisher.ask("ConfigQueryRequest", &of_config("large", json!({}))).await;
    assert_eq!(found.body["content"], content, "through the windows of a client with a library");
    content.len()
}

#[tokio::test]
async fn whoever_speaks_something_else_is_closed_at_once() {
    let node = Node::start().await;
    let at_once = Duration::from_secs(5);
    for said in
        [&b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", b"\x16\x03\x01\x02\0"]
    {
        let mut socket = TcpStream::connect(node.clients).await.expect("the server accepts");
        socket.write_all(said).await.expect("the server reads");
        if said == b"P" {
            // The beginning of the right thing, and then the end.
            socket.shutdown().await.expect("the server listens");
        }
        let mut heard = Vec::new();
        let read = tokio::time::timeout(at_once, socket.read_to_end(&mut heard)).await.expect("closed at once");
        assert!(heard.is_empty() && read.map_or(true, |len| len == 0));
    }
    let mut right = Raw::connect(&node, 65_535).await;
    right.says(&call(1, "ServerCheckRequest", &json!({}))).await;
    assert!(right.hears_the_end_of(1).await.1 > 0);
}

#[tokio::test]
async fn a_broken_rule_ends_the_connection_and_the_client_is_told() {
    let node = Node::start().await;
    let mut client = Raw::connect(&node, 65_535).await;
    client.says(&frame(WINDOW_UPDATE, 0, 0, &[0; 4])).await;
    let last = loop {
        let frame = client.hears().await;
        if frame.kind == GOAWAY {
            break frame;
        }
    };
    assert_eq!(last.payload[4..8], [0, 0, 0, 1]);
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, client.socket.read_to_end(&mut rest)).await.expect("the end").ok();
    assert!(rest.is_empty());
}

/// Each of a thousand calls could hold ten megabytes of a message that never ends.
#[tokio::test]
async fn messages_that_never_end_are_bounded_together() {
    let node = Node::start().await;
    let mut client = Raw::connect(&node, 65_535).await;
    let beginning = [&[0, 0, 0x9f, 0xff, 0xff][..], &[b'x'; 16_379]].concat();
    let more = vec![b'x'; 16_384];
    for stream in [1, 3, 5, 7] {
        let parts = (0..550).map(|part| frame(DATA, 0, stream, if part == 0 { &beginning } else { &more }));
        client.says(&[begin(stream, "/Request/request"), parts.collect::<Vec<_>>().concat()].concat()).await;
    }
    let (fields, len) = client.hears_the_end_of(7).await;
    assert!(fields.contains("grpc-status\u{1}8") && len == 0, "{fields}");
    // Those before it are as they were, and one that is given up makes room.
    client.says(&[frame(RST_STREAM, 0, 1, &[0; 4]), call(9, "ServerCheckRequest", &json!({}))].concat()).await;
    assert!(client.hears_the_end_of(9).await.1 > 0);
    let parts = (0..100).map(|part| frame(DATA, 0, 11, if part == 0 { &beginning } else { &more }));
    client.says(&[begin(11, "/Request/request"), parts.collect::<Vec<_>>().concat()].concat()).await;
    client.says(&frame(DATA, END, 11, b"")).await;
    let (fields, _) = client.hears_the_end_of(11).await;
    assert!(fields.contains("grpc-status\u{2}13"), "its message is cut off: {fields}");
}

#[tokio::test]
async fn an_answer_larger_than_the_windows_comes_as_there_is_room() {
    let node = Node::start().await;
    let len = publish_large(&node).await;
    let mut client = Raw::connect(&node, 1000).await;
    client.introduces_itself().await;
    client.says(&call(3, "ConfigQueryRequest", &of_config("large", json!({})))).await;
    let mut heard = 0;
    loop {
        let said = client.hears().await;
        match (said.kind, said.stream) {
            (DATA, 3) => {
                heard += said.payload.len();
                assert!(said.payload.len() <= 1000, "never more than there is room for");
                let room = u32::try_from(said.payload.len()).expect("short").to_be_bytes();
                client.says(&[frame(WINDOW_UPDATE, 0, 0, &room), frame(WINDOW_UPDATE, 0, 3, &room)].concat()).await;
            }
            (HEADERS, 3) if said.flags & END != 0 => break,
            (kind, stream) => assert!(kind != RST_STREAM && stream != 3 || kind == HEADERS, "kind {kind} on {stream}"),
        }
    }
    assert!(heard > len && heard < len + 1000, "{heard}");
}

/// Answers wait for a client that gives no room, up to a bound; then it is ejected.
#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_ejected() {
    let node = Node::start().await;
    publish_large(&node).await;
    let mut client = Raw::connect(&node, 1000).await;
    client.introduces_itself().await;
    let is_it = |said: &Introduction| &*said.version == "x";
    let mut all = node.app.connections.all().into_iter();
    let connection = all.find(|one| one.introduction().is_some_and(is_it)).expect("it is registered");
    for asked in 0..200 {
        let query = call(2 * asked + 3, "ConfigQueryRequest", &of_config("large", json!({})));
        // It is closed while it still asks.
        if client.socket.write_all(&query).await.is_err() {
            break;
        }
    }
    tokio::time::timeout(PATIENCE, connection.close.cancelled()).await.expect("it is ejected");
    assert_eq!(node.app.metrics.connections_overfull.get(), 1);
}

#[tokio::test]
async fn a_call_that_is_given_up_while_it_is_answered_leaves_the_others_alone() {
    let node = Node::start().await;
    let mut client = Raw::connect(&node, 65_535).await;
    client.introduces_itself().await;
    let publish = of_config("given-up", json!({"content": "a: 1"}));
    client.says(&[call(3, "ConfigPublishRequest", &publish), frame(RST_STREAM, 0, 3, &[0, 0, 0, 8])].concat()).await;
    client.says(&call(5, "ConfigPublishRequest", &of_config("kept", json!({"content": "b: 1"})))).await;
    loop {
        let said = client.hears().await;
        assert_ne!(said.stream, 3, "nobody waits for this answer");
        if said.stream == 5 && said.flags & END != 0 && said.kind == HEADERS {
            break;
        }
    }
    // It was asked for, and done.
    let mut other = GrpcClient::registered(node.clients, "config").await;
    let found = other.ask("ConfigQueryRequest", &of_config("given-up", json!({}))).await;
    assert_eq!(found.body["content"], "a: 1");
}

/// A call that is given up runs on: whoever begins and gives up would have any number of them under way.
#[tokio::test]
async fn a_thousand_answers_under_way_hold_back_what_is_asked_behind_them() {
    let node = Node::start().await;
    let whole = Threshold { max: Some(1), period: Period::Hour, mode: Mode::Intercept };
    let rule = ("ConfigQuery".to_owned(), PointRule { whole, keys: Vec::new() });
    assert!(node.app.pipeline.points.set_rules(std::iter::once(rule).collect()).is_empty());
    let mut client = Raw::connect(&node, 65_535).await;
    client.introduces_itself().await;
    // Each is over the limit, and answered a second later.
    let mut asked = Vec::new();
    for at in 1..=3000 {
        let stream = 2 * at + 1;
        asked.extend(call(stream, "ConfigQueryRequest", &of_config("a", json!({}))));
        asked.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    let began = node.app.clock.now();
    asked.extend(call(9001, "HealthCheckRequest", &of_service("a", json!({}))));
    client.says(&asked).await;
    let (fields, len) = client.hears_the_end_of(9001).await;
    assert!(fields.contains("grpc-status\u{1}0") && len > 0);
    assert!(node.app.clock.now().since(began) >= Duration::from_secs(1), "it was read behind those before it");
}

/// A path that is kept in a table of fields is named in one byte, and was told back whole each time.
#[tokio::test]
async fn a_method_that_nobody_serves_is_not_told_back_at_any_length() {
    let node = Node::start().await;
    let mut client = Raw::connect(&node, 65_535).await;
    let path = format!("/{}", "m".repeat(2000));
    let long = [&b"\x83\x86\x44\x7f\xd2\x0e"[..], path.as_bytes()].concat();
    client.says(&frame(HEADERS, END | END_HEADERS, 1, &long)).await;
    let (fields, _) = client.hears_the_end_of(1).await;
    assert!(fields.contains("grpc-status\u{2}12") && fields.contains("Method not found: mmm"), "{fields}");
    assert!(fields.len() < 300, "{}", fields.len());
}
