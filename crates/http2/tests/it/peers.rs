//! A client that is not ours: that of the crate `h2`, over a pipe in memory.

use std::collections::HashMap;
use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;
use nacrite_http2::{Event, HeaderBlock, Limits, PREFACE, Server, StreamId};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

const LIMITS: Limits = Limits {
    streams: 1024,
    stream_window: 1 << 20,
    connection_window: 4 << 20,
    header_list_len: 16 * 1024,
    wasted: 64,
};

/// What the server saw until the connection was over.
#[derive(Debug, Default)]
struct Seen {
    requests: usize,
    resets: usize,
    bytes: usize,
    is_over: bool,
}

/// Answers every whole message with itself; `/silent` with nothing at all.
async fn echoes(mut pipe: DuplexStream, mut leave: oneshot::Receiver<()>) -> Seen {
    let mut preface = [0; PREFACE.len()];
    pipe.read_exact(&mut preface).await.expect("a preface");
    assert_eq!(&preface, PREFACE);
    let (mut server, mut seen) = (Server::new(LIMITS), Seen::default());
    let mut uploads: HashMap<StreamId, Vec<Bytes>> = HashMap::new();
    let (mut events, mut read) = (Vec::new(), BytesMut::with_capacity(4096));
    loop {
        server.flush();
        while server.output_len() > 0 {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = server.output(&mut slices);
            let Ok(len) = pipe.write_vectored(&slices[..count]).await else { return seen };
            server.written(len);
            server.flush();
        }
        seen.is_over = server.is_over();
        if seen.is_over {
            return seen;
        }
        read.clear();
        tokio::select! {
            Ok(()) = &mut leave, if !leave.is_terminated() => {
                server.leave();
                continue;
            }
            len = pipe.read_buf(&mut read) => if !matches!(len, Ok(1..)) {
                return seen;
            },
        }
        server.receive(&read, &mut events).expect("a client that knows the rules");
        for event in events.drain(..) {
            match event {
                Event::Request { stream, path, ended, .. } => {
                    seen.requests += 1;
                    if &*path != "/silent" {
                        uploads.insert(stream, Vec::new());
                        server.headers(stream, &HeaderBlock::response(&[("content-type", "application/grpc")]));
                    }
                    if ended {
                        server.finish(stream, HeaderBlock::trailers(&[("grpc-status", "0")]));
                    }
                }
                Event::Data { stream, data, ended } => {
                    seen.bytes += data.len();
                    if let Some(pieces) = uploads.get_mut(&stream) {
                        pieces.push(data);
                        if ended {
                            uploads.remove(&stream).into_iter().flatten().for_each(|piece| server.send(stream, piece));
                            server.finish(stream, HeaderBlock::trailers(&[("grpc-status", "0")]));
                        }
                    }
                }
                Event::Reset { stream } => {
                    seen.resets += 1;
                    uploads.remove(&stream);
                }
            }
        }
    }
}

/// A client, and what the server will have seen.
struct Pair {
    client: SendRequest<Bytes>,
    pings: h2::PingPong,
    tasks: JoinSet<Seen>,
    driver: JoinSet<Result<(), h2::Error>>,
    leave: oneshot::Sender<()>,
}

async fn pair(builder: &h2::client::Builder) -> Pair {
    let (ours, theirs) = tokio::io::duplex(5000);
    let (leave, asked) = oneshot::channel();
    let (mut tasks, mut driver) = (JoinSet::new(), JoinSet::new());
    tasks.spawn(echoes(theirs, asked));
    let (client, mut connection) = builder.handshake(ours).await.expect("the handshake");
    let pings = connection.ping_pong().expect("once");
    driver.spawn(connection);
    Pair { client, pings, tasks, driver, leave }
}

fn to(path: &str) -> Request<()> {
    let request = Request::post(format!("http://a{path}")).header("te", "trailers").header("grpc-encoding", "gzip");
    request.body(()).expect("a request")
}

/// Sends a message, and reads what comes back up to the trailers.
async fn echo(client: SendRequest<Bytes>, message: Bytes) -> Bytes {
    let mut ready = client.ready().await.expect("the connection is open");
    let (response, mut send) = ready.send_request(to("/echo"), false).expect("the connection is open");
    send.send_data(message, true).expect("the stream is open");
    let mut body = response.await.expect("a response").into_body();
    let mut heard = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.expect("a piece");
        body.flow_control().release_capacity(piece.len()).expect("it was taken");
        heard.extend_from_slice(&piece);
    }
    let trailers = body.trailers().await.expect("the end").expect("trailers");
    assert_eq!(trailers.get("grpc-status").map(http::HeaderValue::as_bytes), Some(&b"0"[..]));
    heard.freeze()
}

#[tokio::test]
async fn a_thousand_calls_at_one_time() {
    let mut pair = pair(&h2::client::Builder::new()).await;
    let mut calls = JoinSet::new();
    for call in 0..1000usize {
        let client = pair.client.clone();
        let message = Bytes::from(vec![call as u8; call % 700]);
        calls.spawn(async move { assert_eq!(echo(client, message.clone()).await, message) });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("an answer");
    }
    drop(pair.client);
    drop(pair.driver);
    let seen = pair.tasks.join_next().await.expect("a task").expect("no panic");
    assert_eq!((seen.requests, seen.resets), (1000, 0));
}

#[tokio::test]
async fn large_messages_both_ways_through_small_and_large_windows() {
    for (window, frame_len) in [(65_535, 16_384), (3 << 20, 1 << 20)] {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(window).max_frame_size(frame_len);
        let pair = pair(&builder).await;
        let message: Bytes = (0..6_000_000u32).map(|at| (at % 253) as u8).collect();
        let (first, second) =
            tokio::join!(echo(pair.client.clone(), message.clone()), echo(pair.client.clone(), message.slice(7..)));
        assert!(first == message && second == message.slice(7..));
    }
}

#[tokio::test]
async fn calls_that_are_given_up_leave_the_others_alone() {
    let mut pair = pair(&h2::client::Builder::new()).await;
    for _ in 0..50 {
        let mut ready = pair.client.clone().ready().await.expect("the connection is open");
        let (response, mut send) = ready.send_request(to("/silent"), false).expect("the connection is open");
        send.send_reset(h2::Reason::CANCEL);
        drop(response);
        let message = Bytes::from_static(b"still here");
        assert_eq!(echo(pair.client.clone(), message.clone()).await, message);
    }
    pair.pings.ping(h2::Ping::opaque()).await.expect("a pong");
    drop(pair.client);
    drop(pair.driver);
    let seen = pair.tasks.join_next().await.expect("a task").expect("no panic");
    assert_eq!(seen.resets + 50, seen.requests, "{seen:?}");
}

#[tokio::test]
async fn a_server_that_leaves_answers_what_was_begun_and_is_over() {
    let mut pair = pair(&h2::client::Builder::new()).await;
    let mut ready = pair.client.clone().ready().await.expect("the connection is open");
    let (response, mut send) = ready.send_request(to("/echo"), false).expect("the connection is open");
    let mut body = response.await.expect("a response").into_body();
    pair.leave.send(()).expect("the server runs");
    // The end has arrived when nothing new can be begun.
    while let Ok(mut ready) = pair.client.clone().ready().await {
        let Ok((response, _)) = ready.send_request(to("/echo"), true) else { break };
        if response.await.is_err() {
            break;
        }
    }
    send.send_data(Bytes::from_static(b"late"), true).expect("the stream is open");
    assert_eq!(body.data().await.expect("a piece").expect("a piece"), "late");
    assert!(body.trailers().await.expect("the end").is_some());
    let seen = pair.tasks.join_next().await.expect("a task").expect("no panic");
    assert!(seen.is_over, "{seen:?}");
    assert!(pair.driver.join_next().await.expect("a task").expect("no panic").is_ok());
}

#[tokio::test]
async fn a_client_with_a_smaller_table_of_fields_is_served() {
    let mut builder = h2::client::Builder::new();
    builder.header_table_size(0);
    let pair = pair(&builder).await;
    for message in [&b"a"[..], b"b"] {
        assert_eq!(echo(pair.client.clone(), Bytes::from_static(message)).await, message);
    }
}
