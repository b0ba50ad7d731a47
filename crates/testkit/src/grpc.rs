//! A gRPC client that says what it is told, with no rules of its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use nacrite_wire::payload::{Outgoing, Payload};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message from the server: type and body.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The type.
    pub wire_type: String,
    /// The body.
    pub body: Value,
}

/// How a call or a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The status of gRPC; `None` if the stream was reset.
    pub status: Option<u16>,
    /// What was said about it.
    pub message: String,
}

/// A connection to a server.
#[derive(Debug)]
pub struct GrpcClient {
    send: SendRequest<Bytes>,
    at: SocketAddr,
    /// The client's own end of the socket.
    pub local: SocketAddr,
    stream: Option<Stream>,
    /// Drives the socket; closes it when the client is dropped.
    _driver: JoinSet<()>,
}

#[derive(Debug)]
struct Stream {
    send: SendStream<Bytes>,
    recv: RecvStream,
    received: BytesMut,
}

impl GrpcClient {
    /// Opens a connection, and says nothing yet.
    pub async fn connect(at: SocketAddr) -> Self {
        let socket = TcpStream::connect(at).await.expect("the server accepts");
        let local = socket.local_addr().expect("a connected socket has an address");
        let (send, connection) = h2::client::handshake(socket).await.expect("the handshake");
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // A connection that a test breaks on purpose ends here with an error.
            connection.await.ok();
        });
        Self { send, at, local, stream: None, _driver: driver }
    }

    /// Opens a connection and introduces itself as a client of a module. Returns once the server knows it.
    pub async fn registered(at: SocketAddr, module: &str) -> Self {
        let mut client = Self::connect(at).await;
        client.open_stream().await;
        let labels = json!({"module": module, "source": "sdk", "AppName": "test"});
        let setup = json!({
            "clientVersion": "Nacos-Java-Client:v3.1.0", "labels": labels, "abilityTable": {}, "tenant": ""
        });
        client.say("ConnectionSetupRequest", &setup);
        assert_eq!(client.heard().await.wire_type, "SetupAckRequest");
        client
    }

    /// The name that the server gives the connection.
    pub async fn id(&mut self) -> String {
        let checked = self.ask("ServerCheckRequest", &json!({})).await;
        checked.body["connectionId"].as_str().expect("an id").to_owned()
    }

    /// Opens the stream; a second one beside the first, if called twice.
    pub async fn open_stream(&mut self) {
        let request = self.request("/BiRequestStream/requestBiStream");
        let mut ready = self.send.clone().ready().await.expect("the connection is open");
        let (response, send) = ready.send_request(request, false).expect("the connection is open");
        let response = response.await.expect("the stream opens");
        self.stream = Some(Stream { send, recv: response.into_body(), received: BytesMut::new() });
    }

    /// Says something on the stream.
    pub fn say(&mut self, wire_type: &'static str, body: &Value) {
        self.say_bytes(framed(wire_type, body.to_string().into()));
    }

    /// Says anything at all on the stream.
    pub fn say_bytes(&mut self, bytes: Bytes) {
        let stream = self.stream.as_mut().expect("the stream is open");
        stream.send.send_data(bytes, false).expect("the stream is open");
    }

    /// Ends its own side of the stream.
    pub fn half_close(&mut self) {
        let stream = self.stream.as_mut().expect("the stream is open");
        stream.send.send_data(Bytes::new(), true).expect("the stream is open");
    }

    /// The next message on the stream.
    pub async fn heard(&mut self) -> Message {
        self.hear().await.expect("a message, not the end")
    }

    /// The next message on the stream that is of this type; others are passed over.
    pub async fn heard_of(&mut self, wire_type: &str) -> Message {
        loop {
            let message = self.heard().await;
            if message.wire_type == wire_type {
                return message;
            }
        }
    }

    /// The next push of a list of instances, which is acknowledged.
    pub async fn pushed(&mut self) -> Value {
        let mut push = self.heard_of("NotifySubscriberRequest").await;
        self.acknowledge("NotifySubscriberResponse", &push.body);
        push.body["serviceInfo"].take()
    }

    /// Acknowledges a push.
    pub fn acknowledge(&mut self, wire_type: &'static str, push: &Value) {
        self.say(wire_type, &json!({"requestId": push["requestId"], "resultCode": 200, "success": true}));
    }

    /// The next message on the stream, or how the stream ended.
    pub async fn hear(&mut self) -> Result<Message, Ended> {
        let stream = self.stream.as_mut().expect("the stream is open");
        tokio::time::timeout(PATIENCE, stream.next()).await.expect("something happens on the stream")
    }

    /// Whether nothing is heard on the stream for a while.
    pub async fn hears_nothing_for(&mut self, quiet: Duration) -> bool {
        let stream = self.stream.as_mut().expect("the stream is open");
        tokio::time::timeout(quiet, stream.next()).await.is_err()
    }

    /// Asks something and waits for the answer.
    pub async fn ask(&mut self, wire_type: &'static str, body: &Value) -> Message {
        self.call(framed(wire_type, body.to_string().into())).await.expect("an answer")
    }

    /// Asks with a body that need not be JSON.
    pub async fn ask_raw(&mut self, wire_type: &'static str, body: &'static [u8]) -> Message {
        self.call(framed(wire_type, Bytes::from_static(body))).await.expect("an answer")
    }

    /// Calls with any bytes at all.
    ///
    /// # Errors
    /// How the call ended, if without an answer.
    pub async fn call(&mut self, bytes: Bytes) -> Result<Message, Ended> {
        let request = self.request("/Request/request");
        tokio::time::timeout(PATIENCE, self.call_path(request, bytes)).await.expect("an answer in time")
    }

    /// Calls any path.
    ///
    /// # Errors
    /// How the call ended, if without an answer.
    pub async fn call_path(&mut self, request: Request<()>, bytes: Bytes) -> Result<Message, Ended> {
        let mut ready = self.send.clone().ready().await.map_err(|error| reset(&error))?;
        let (response, mut send) = ready.send_request(request, false).map_err(|error| reset(&error))?;
        // A server that refuses early does not read the rest.
        send.send_data(bytes, true).ok();
        let response = response.await.map_err(|error| reset(&error))?;
        if let Some(ended) = ended(response.headers()) {
            return Err(ended);
        }
        let mut stream = Stream { send, recv: response.into_body(), received: BytesMut::new() };
        stream.next().await
    }

    /// A request to a path of this server.
    #[must_use]
    pub fn request(&self, path: &str) -> Request<()> {
        Request::post(format!("http://{}{path}", self.at))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a good request")
    }
}

impl Stream {
    async fn next(&mut self) -> Result<Message, Ended> {
        loop {
            if let Some(message) = self.whole() {
                return Ok(message);
            }
            match self.recv.data().await {
                Some(Ok(piece)) => {
                    // The window is given back at once: the test reads everything.
                    self.recv.flow_control().release_capacity(piece.len()).ok();
                    self.received.extend_from_slice(&piece);
                }
                Some(Err(error)) => return Err(reset(&error)),
                None => {
                    let trailers = self.recv.trailers().await.map_err(|error| reset(&error))?;
                    let trailers = trailers.expect("a stream ends with a status");
                    return Err(ended(&trailers).expect("a stream ends with a status"));
                }
            }
        }
    }

    fn whole(&mut self) -> Option<Message> {
        let len = (self.received.get(1..5)?).get_u32() as usize;
        if self.received.len() < 5 + len {
            return None;
        }
        self.received.advance(5);
        let message = self.received.split_to(len);
        let payload = Payload::decode(&message).expect("an envelope");
        let body = serde_json::from_slice(payload.body).expect("a body of JSON");
        Some(Message { wire_type: payload.wire_type.to_owned(), body })
    }
}

/// A message with its frame.
#[must_use]
pub fn framed(wire_type: &'static str, body: Bytes) -> Bytes {
    let outgoing = Outgoing::answer(wire_type, body);
    let mut out = BytesMut::new();
    out.put_u8(0);
    out.put_u32(u32::try_from(outgoing.encoded_len()).expect("a message of a test is small"));
    outgoing.encode(&mut out);
    out.freeze()
}

fn ended(headers: &HeaderMap) -> Option<Ended> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let status = text("grpc-status")?.parse().expect("a status is a number");
    Some(Ended { status: Some(status), message: text("grpc-message").unwrap_or_default().to_owned() })
}

fn reset(error: &h2::Error) -> Ended {
    Ended { status: None, message: error.to_string() }
}
