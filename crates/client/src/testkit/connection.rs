//! One connection of the scripted server: calls, each in a task of its own, and the stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use nacrite_wire::frame::{Compression, Reader};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Admission, Known, PUSHES_MAX, Pushed, REQUESTS_MAX, Reply, Seen, Shared, message};

/// Code of an answer to a client that is not let in.
const UNREGISTERED: i64 = 301;

/// Code of an answer of a server that is starting.
const STARTING: i64 = 300;

/// A connection as its own task sees it.
pub(super) struct Serving {
    shared: Arc<Shared>,
    number: u64,
    cut: CancellationToken,
    pushes: Option<mpsc::Receiver<Pushed>>,
}

impl Serving {
    /// Takes note of a connection. It ends when `cut` does.
    pub(super) fn new(shared: &Arc<Shared>, cut: CancellationToken) -> (Self, CancellationToken) {
        let (push, pushes) = mpsc::channel(PUSHES_MAX);
        let number = shared.note(|state| {
            state.counts.accepted += 1;
            state.counts.open += 1;
            let known = Known { cut: cut.clone(), push, is_registered: false };
            state.connections.insert(state.counts.accepted, known);
            state.counts.accepted
        });
        (Self { shared: Arc::clone(shared), number, cut: cut.clone(), pushes: Some(pushes) }, cut)
    }

    /// Serves until the client is gone.
    pub(super) async fn run(mut self, socket: impl AsyncRead + AsyncWrite + Unpin) {
        self.shared.moving().await;
        let Ok(mut http2) = h2::server::handshake(socket).await else { return };
        loop {
            self.shared.moving().await;
            let shared = Arc::clone(&self.shared);
            let accepted = tokio::select! {
                biased;
                () = shared.frozen() => continue,
                accepted = http2.accept() => accepted,
            };
            let Some(Ok((request, respond))) = accepted else { return };
            self.begin(request, respond);
        }
    }

    fn begin(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let call = Call { shared: Arc::clone(&self.shared), number: self.number, cut: self.cut.clone() };
        let cut = self.cut.clone();
        let is_stream = request.uri().path() == "/BiRequestStream/requestBiStream";
        let recv = request.into_body();
        if !is_stream {
            let call = call.answer(recv, respond);
            self.shared.tasks.spawn(async move {
                tokio::select! {
                    () = cut.cancelled() => {}
                    () = call => {}
                }
            });
            return;
        }
        let Some(pushes) = self.pushes.take() else {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
            return;
        };
        let Ok(send) = respond.send_response(opened(), false) else { return };
        let stream = call.stream(recv, send, pushes);
        self.shared.tasks.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = stream => {}
            }
        });
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.cut.cancel();
        let number = self.number;
        self.shared.note(|state| {
            state.counts.open -= 1;
            if state.connections.remove(&number).is_some_and(|known| known.is_registered) {
                state.counts.registered -= 1;
            }
        });
    }
}

/// A call or a stream on a connection.
struct Call {
    shared: Arc<Shared>,
    number: u64,
    cut: CancellationToken,
}

impl Call {
    /// Answers one call.
    async fn answer(self, recv: RecvStream, mut respond: SendResponse<Bytes>) {
        let mut messages = Messages::new(recv);
        let Some(message) = messages.next().await else { return };
        let seen = message::read(self.number, &message);
        let wire_type = seen.wire_type.clone();
        let (reply, behaviour) = self.shared.note(|state| {
            let is_registered = state.connections.get(&self.number).is_some_and(|known| known.is_registered);
            let script = state.scripts.get(wire_type.as_str()).cloned();
            let reply = match (wire_type.as_str(), script) {
                ("ServerCheckRequest", _) if state.behaviour.admission == Admission::Starting => {
                    Reply::Error { code: STARTING, message: "the server is starting".to_owned() }
                }
                ("ServerCheckRequest", None) => Reply::Done(json!({
                    "connectionId": format!("scripted_{}", self.number),
                    "supportAbilityNegotiation": state.behaviour.negotiates,
                })),
                (other, _) if !is_registered && other != "ServerCheckRequest" => {
                    Reply::Error { code: UNREGISTERED, message: "the connection is not registered".to_owned() }
                }
                (_, Some(script)) => script(&seen.body),
                (_, None) => Reply::Done(json!({})),
            };
            state.counts.requests += 1;
            if state.seen.len() == REQUESTS_MAX {
                state.seen.pop_front();
            }
            state.seen.push_back(seen);
            (reply, state.behaviour.clone())
        });
        tokio::time::sleep(behaviour.answers_after).await;
        match (message::written(&wire_type, reply.clone(), &behaviour), reply) {
            (Some((wire_type, body)), _) => {
                let Ok(mut send) = respond.send_response(opened(), false) else { return };
                if send.send_data(message::framed(wire_type, body), false).is_ok() {
                    send.send_trailers(status(0, "")).ok();
                }
            }
            (None, Reply::Status(code, words)) => {
                let mut response = opened();
                response.headers_mut().extend(status(code, words));
                respond.send_response(response, true).ok();
            }
            (None, Reply::Reset) => respond.send_reset(h2::Reason::INTERNAL_ERROR),
            (None, Reply::Cut) => self.cut.cancel(),
            // The call stays open until the client gives it up.
            (None, _) => std::future::pending().await,
        }
    }

    /// Serves the stream until it is to end.
    async fn stream(self, recv: RecvStream, mut send: SendStream<Bytes>, mut pushes: mpsc::Receiver<Pushed>) {
        let mut messages = Messages::new(recv);
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else { break };
                    let heard = message::read(self.number, &message);
                    let is_setup = heard.wire_type == "ConnectionSetupRequest";
                    self.shared.note(|state| state.heard.push(heard.clone()));
                    if is_setup && !self.admit(&heard, &mut send).await {
                        break;
                    }
                }
                pushed = pushes.recv() => match pushed {
                    Some(Pushed::Message { wire_type, body }) => self.say(&mut send, wire_type, body),
                    Some(Pushed::End) | None => break,
                },
            }
        }
        send.send_trailers(status(0, "")).ok();
    }

    /// Receives a client that has introduced itself. Returns whether the stream goes on.
    async fn admit(&self, setup: &Seen, send: &mut SendStream<Bytes>) -> bool {
        let behaviour = self.shared.state.lock().behaviour.clone();
        let late = match behaviour.admission {
            Admission::Open | Admission::Starting => Duration::ZERO,
            Admission::Late(late) => late,
            Admission::Full => return false,
            Admission::Deaf => return true,
        };
        tokio::time::sleep(late).await;
        self.shared.note(|state| {
            if let Some(known) = state.connections.get_mut(&self.number) {
                known.is_registered = true;
                state.counts.registered += 1;
            }
        });
        if behaviour.negotiates && setup.body.get("abilityTable").is_some() {
            self.say(send, "SetupAckRequest", json!({"abilityTable": behaviour.abilities, "module": "internal"}));
        }
        true
    }

    fn say(&self, send: &mut SendStream<Bytes>, wire_type: &'static str, body: serde_json::Value) {
        let behaviour = self.shared.state.lock().behaviour.clone();
        let body = message::spoilt(body, &behaviour).to_string().into_bytes();
        // A client that is gone hears nothing; the test sees that elsewhere.
        send.send_data(message::framed(wire_type, body), false).ok();
    }
}

/// The messages of a call or a stream.
struct Messages {
    recv: RecvStream,
    reader: Reader,
}

impl Messages {
    fn new(recv: RecvStream) -> Self {
        Self { recv, reader: Reader::new(Compression::None) }
    }

    /// The next message; `None` at the end, however it came.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(message) = self.reader.next_message().ok()? {
                return Some(message);
            }
            let piece = self.recv.data().await?.ok()?;
            // The window is given back at once: the server reads everything.
            self.recv.flow_control().release_capacity(piece.len()).ok();
            if let Some(message) = self.reader.push(&piece) {
                return Some(message);
            }
        }
    }
}

/// The head of an answer.
fn opened() -> Response<()> {
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn status(code: u8, words: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(u16::from(code)));
    trailers.insert("grpc-message", HeaderValue::from_static(words));
    trailers
}
