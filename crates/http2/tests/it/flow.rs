//! Windows, both ways (RFC 9113, 5.2 and 6.9), and what waits for them.

use bytes::Bytes;
use nacrite_http2::{Event, HeaderBlock, Limits, Reason};

use crate::script::*;

fn trailers() -> HeaderBlock {
    HeaderBlock::trailers(&[("grpc-status", "0")])
}

fn piece(len: usize) -> Bytes {
    vec![b'x'; len].into()
}

#[test]
fn windows_are_given_back_by_halves() {
    let mut peer = Peer::new();
    assert_eq!(peer.says(&[upload(1), data(1, 0, &[0; 16_384]), data(1, 0, &[0; 16_383])]).map(|e| e.len()), Ok(3));
    assert_eq!(peer.hears(), ["WINDOW_UPDATE 1 32767"]);
    // Padding counts, and what belongs to nobody counts for the connection.
    let padded = [&[255][..], &[0; 16_000]].concat();
    let events = peer.says(&[data(1, PADDED, &padded), reset(1), data(1, 0, &[0; 1232])]);
    assert_eq!(events.map(|events| events.len()), Ok(2));
    assert_eq!(peer.hears(), ["WINDOW_UPDATE 0 50000"]);
}

/// What arrives is given back before a client can have used the rest: a window never runs out, and never grows.
#[test]
fn a_window_that_is_given_back_as_it_is_taken_never_runs_out() {
    let narrow = Limits { connection_window: 65_535, ..LIMITS };
    let mut peer = Peer::with(narrow, &[]);
    assert_eq!(peer.says(&[upload(1), upload(3)]).map(|events| events.len()), Ok(2));
    let (mut sent, mut given) = (0, 0);
    for _ in 0..40 {
        peer.says(&[data(1, 0, &[0; 16_384]), data(3, 0, &[0; 16_384])]).expect("within what was given");
        sent += 2 * 16_384;
        let heard = peer.hears();
        given +=
            heard.iter().filter_map(|word| word.strip_prefix("WINDOW_UPDATE 0 ")?.parse::<usize>().ok()).sum::<usize>();
        assert!(given <= sent && sent - given < 65_535 / 2, "{given} of {sent}");
    }
}

#[test]
fn an_answer_waits_for_the_stream_and_for_the_connection() {
    let mut peer = Peer::with(LIMITS, &[(4, 10)]);
    let stream = peer.asks(1);
    peer.server.headers(stream, &HeaderBlock::response(&[]));
    peer.server.send(stream, piece(25));
    peer.server.send(stream, Bytes::new());
    peer.server.send(stream, piece(5));
    peer.server.finish(stream, trailers());
    assert_eq!(peer.hears(), ["HEADERS 1", "DATA 1 10"]);
    assert!(!peer.server.is_clear(stream));
    assert_eq!(peer.server.waiting(), (20, 1));
    peer.says(&[grow(1, 14)]).expect("room");
    assert_eq!(peer.hears(), ["DATA 1 14"]);
    peer.says(&[grow(1, 6)]).expect("room");
    assert_eq!(peer.hears(), ["DATA 1 1", "DATA 1 5", "HEADERS 1 end"]);
    assert_eq!(peer.server.waiting(), (0, 0));
    // 30 of the 65,535 bytes of the connection are used.
    peer.says(&[settings(&[(4, 1 << 20)])]).expect("more room");
    let stream = peer.asks(3);
    peer.server.send(stream, piece(65_510));
    peer.server.finish(stream, trailers());
    let heard: usize = peer.hears().iter().filter_map(|word| word.strip_prefix("DATA 3 ")?.parse::<usize>().ok()).sum();
    assert_eq!((heard, peer.server.waiting()), (65_505, (5, 1)));
    peer.says(&[grow(0, 100)]).expect("room");
    assert_eq!(peer.hears(), ["DATA 3 5", "HEADERS 3 end"]);
}

/// RFC 9113, 6.9.2.
#[test]
fn a_window_that_shrinks_goes_below_zero_and_comes_back() {
    let mut peer = Peer::with(LIMITS, &[(4, 100)]);
    let stream = peer.asks(1);
    peer.server.send(stream, piece(80));
    assert_eq!(peer.hears(), ["DATA 1 80"]);
    peer.says(&[settings(&[(4, 30)])]).expect("less room");
    peer.server.send(stream, piece(10));
    assert_eq!(peer.hears(), ["SETTINGS ack"]);
    // 30 - 80 = -50.
    peer.says(&[grow(1, 50)]).expect("room");
    assert_eq!(peer.hears(), [""; 0]);
    peer.says(&[grow(1, 4)]).expect("room");
    assert_eq!(peer.hears(), ["DATA 1 4"]);
    peer.says(&[settings(&[(4, 0)]), settings(&[(4, 36)])]).expect("room");
    assert_eq!(peer.hears(), ["SETTINGS ack", "SETTINGS ack", "DATA 1 6"]);
}

#[test]
fn windows_beyond_their_limit_and_updates_of_nothing_are_refused() {
    const LARGEST: u32 = (1 << 31) - 1;
    ends_the_connection(Reason::ProtocolError, &[grow(0, 0)]);
    ends_the_connection(Reason::FlowControlError, &[grow(0, LARGEST)]);
    ends_the_stream(Reason::ProtocolError, &[request(1), grow(1, 0)]);
    ends_the_stream(Reason::FlowControlError, &[request(1), grow(1, LARGEST)]);
    ends_the_connection(Reason::FlowControlError, &[request(1), grow(1, 1), settings(&[(4, LARGEST)])]);
    let mut peer = Peer::new();
    let most = [grow(0, LARGEST - 65_535), request(1), grow(1, LARGEST - 65_535), grow(1 | 1 << 31, 1)];
    peer.says(&most[..3]).expect("up to the limit");
    peer.says(&most[3..]).expect("one too much");
    assert_eq!(peer.hears(), ["RST_STREAM 1 FlowControlError"]);
}

#[test]
fn what_waits_on_a_stream_goes_with_it() {
    let mut peer = Peer::with(LIMITS, &[(4, 0)]);
    let (first, second) = (peer.asks(1), peer.asks(3));
    for stream in [first, second] {
        peer.server.send(stream, piece(1000));
        peer.server.finish(stream, trailers());
    }
    assert_eq!(peer.server.waiting(), (2000, 2));
    assert_eq!(peer.says(&[reset(1)]), Ok(vec![Event::Reset { stream: first }]));
    assert_eq!(peer.server.waiting(), (1000, 1));
    peer.server.reset(second, Reason::Cancel);
    assert_eq!(peer.server.waiting(), (0, 0));
    assert_eq!(peer.hears(), ["RST_STREAM 3 Cancel"]);
    // Nothing is sent on streams that are over.
    peer.server.headers(first, &HeaderBlock::response(&[]));
    peer.server.send(first, piece(1));
    peer.server.finish(first, trailers());
    peer.server.reset(first, Reason::Cancel);
    assert_eq!(peer.hears(), [""; 0]);
}

#[test]
fn a_large_answer_goes_through_a_tiny_window_in_order() {
    let mut peer = Peer::with(LIMITS, &[(4, 0)]);
    let stream = peer.asks(1);
    let all: Vec<u8> = (0..100_000u32).map(|at| (at % 251) as u8).collect();
    for part in all.chunks(7001) {
        peer.server.send(stream, Bytes::copy_from_slice(part));
    }
    peer.server.finish(stream, trailers());
    let (mut heard, mut last) = (Vec::new(), 0);
    for room in (1..).map(|step| 1 + step * 37 % 900) {
        peer.says(&[grow(0, room), grow(1, room)]).expect("room");
        let mut bytes = &peer.hears_bytes(113)[..];
        while let Some((head, rest)) = bytes.split_at_checked(9) {
            let (payload, rest) = rest.split_at(u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize);
            last = head[3];
            if last == DATA {
                heard.extend_from_slice(payload);
            }
            bytes = rest;
        }
        if last == HEADERS {
            break;
        }
    }
    assert!(heard == all, "{} of {} bytes", heard.len(), all.len());
}

#[test]
fn an_answered_upload_may_end_late_and_is_stopped_if_it_does_not() {
    let mut peer = Peer::new();
    assert_eq!(peer.says(&[upload(1), upload(3), upload(5)]).map(|events| events.len()), Ok(3));
    for number in [1, 3, 5] {
        peer.server.finish(peer.stream(number), trailers());
    }
    peer.hears();
    assert_eq!(peer.says(&[data(1, END, b""), data(3, 0, b"x"), data(3, END, b""), reset(5)]), Ok(Vec::new()));
    assert_eq!(peer.hears(), ["RST_STREAM 3 NoError"]);
}

#[test]
fn answered_uploads_that_never_end_make_room_for_others() {
    let mut peer = Peer::new();
    let uploads: Vec<_> = [1, 3, 5, 7].map(upload).into();
    peer.says(&uploads).expect("four uploads");
    peer.server.finish(peer.stream(3), trailers());
    peer.server.finish(peer.stream(5), trailers());
    peer.hears();
    peer.asks(9);
    assert_eq!(peer.hears(), ["RST_STREAM 3 NoError", "RST_STREAM 5 NoError"]);
}
