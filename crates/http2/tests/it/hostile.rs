//! Attacks on HTTP/2 that are known by name: each ends the connection, or costs no more than reading it.

use bytes::Bytes;
use nacrite_http2::{HeaderBlock, Limits, Reason};

use crate::script::*;

/// Frames for a stream of this number.
type OnStream = fn(u32) -> Vec<Vec<u8>>;

/// So many times, or until the connection ends; how often it was, and why it ended.
fn floods(peer: &mut Peer, times: u32, frames: impl Fn(u32) -> Vec<Vec<u8>>) -> (u32, Option<Reason>) {
    for time in 0..times {
        if let Err(fault) = peer.says(&frames(time)) {
            return (time + 1, Some(fault.reason));
        }
    }
    (times, None)
}

/// CVE-2023-44487: calls are begun and given up, so that they never count as open.
#[test]
fn rapid_reset_ends_the_connection() {
    let mut peer = Peer::new();
    let flood = floods(&mut peer, 100, |time| vec![upload(2 * time + 1), reset(2 * time + 1)]);
    assert_eq!(flood, (LIMITS.wasted + 1, Some(Reason::EnhanceYourCalm)));
}

/// CVE-2025-8671: the server is made to give up the calls itself.
#[test]
fn resets_that_the_server_is_made_to_send_count_as_well() {
    let broken: [OnStream; 5] = [
        |stream| vec![request(stream), grow(stream, 0)],
        |stream| vec![request(stream), grow(stream, (1 << 31) - 1)],
        |stream| vec![request(stream), data(stream, 0, b"x")],
        |stream| vec![upload(stream), frame(HEADERS, END_HEADERS, stream, &[])],
        |stream| vec![frame(HEADERS, END | END_HEADERS, stream, b"\x83")],
    ];
    for frames in broken {
        let mut peer = Peer::new();
        let flood = floods(&mut peer, 100, |time| frames(2 * time + 1));
        assert_eq!(flood, (LIMITS.wasted + 1, Some(Reason::EnhanceYourCalm)));
    }
}

#[test]
fn a_call_that_is_answered_forgives_those_that_came_to_nothing() {
    let mut peer = Peer::new();
    for time in 0..50 {
        let wasted = 4 * time + 1;
        peer.says(&[upload(wasted), reset(wasted)]).expect("one in two");
        let stream = peer.asks(wasted + 2);
        peer.server.finish(stream, HeaderBlock::trailers(&[]));
    }
}

/// CVE-2024-27316: fields without an end.
#[test]
fn continuation_flood_ends_the_connection() {
    for part in [&[][..], &[0x88; 1], &[0x88; 1000]] {
        let mut peer = Peer::new();
        peer.says(&[frame(HEADERS, 0, 1, POST)]).expect("a beginning");
        let (times, reason) = floods(&mut peer, 10_000, |_| vec![frame(CONTINUATION, 0, 1, part)]);
        assert_eq!(reason, Some(Reason::EnhanceYourCalm));
        assert!(times as usize * (9 + part.len()) <= 16_384 + 9 + part.len(), "{times} parts of {}", part.len());
    }
}

/// A large field is kept once and named thousands of times.
#[test]
fn a_header_bomb_costs_its_bytes_and_is_refused() {
    let mut peer = Peer::new();
    let mut block = POST.to_vec();
    block.extend_from_slice(b"\x40\x01x\x7f\x81\x1e");
    block.extend(std::iter::repeat_n(b'y', 127 + 0xf01));
    block.extend(std::iter::repeat_n(0xbe, 10_000));
    assert_eq!(peer.says(&[frame(HEADERS, END | END_HEADERS, 1, &block)]), Ok(Vec::new()));
    assert_eq!(peer.hears(), ["RST_STREAM 1 EnhanceYourCalm"]);
}

/// Pings and settings ask for answers; whoever does not read them is not read any more.
#[test]
fn answers_that_nobody_reads_stop_the_reading() {
    for (asking, answer_len) in [(frame(PING, 0, 0, &[0; 8]), 17), (settings(&[]), 9)] {
        let mut peer = Peer::new();
        let mut read = 0;
        while peer.server.wants_input() {
            peer.says(&vec![asking.clone(); 100]).expect("no rule is broken");
            read += 100;
        }
        assert!(peer.server.output_len() <= 128 * 1024 + 100 * answer_len);
        assert_eq!(peer.server.output_len(), read * answer_len);
        peer.hears();
        assert!(peer.server.wants_input());
    }
}

/// Frames that say nothing and ask for nothing cost their reading.
#[test]
fn frames_of_no_use_leave_nothing_behind() {
    let mut peer = Peer::new();
    peer.says(&[upload(1)]).expect("a request");
    let useless = [
        data(1, 0, b""),
        data(1, PADDED, b"\0"),
        frame(PRIORITY, 0, 9, &[0; 5]),
        frame(0x20, 0, 3, &[0; 99]),
        frame(SETTINGS, ACK, 0, &[]),
        frame(PING, ACK, 0, &[0; 8]),
        frame(GOAWAY, 0, 0, &[0; 8]),
    ];
    for _ in 0..1000 {
        assert_eq!(peer.says(&useless), Ok(Vec::new()));
    }
    assert_eq!(peer.hears(), [""; 0]);
}

/// A client that gives no room costs what was to be sent to it, and it can be told how much that is.
#[test]
fn answers_without_room_wait_and_are_counted() {
    let limits = Limits { streams: 100, ..LIMITS };
    let mut peer = Peer::with(limits, &[(4, (1 << 31) - 1)]);
    peer.says(&[grow(0, 1 << 30)]).expect("room");
    for number in 0..100 {
        let stream = peer.asks(2 * number + 1);
        peer.server.send(stream, Bytes::from(vec![0; 10_000]));
        peer.server.finish(stream, HeaderBlock::trailers(&[]));
    }
    // It gives room, and reads nothing.
    for _ in 0..10 {
        peer.server.flush();
    }
    assert!(peer.server.output_len() < 32 * 1024 + 10_000 + 1000, "{}", peer.server.output_len());
    let (waiting, streams) = peer.server.waiting();
    assert!(waiting > 900_000 && streams > 90);
}

/// The client asks for frames of 16 MiB, and gets what it asked for without more being made of it.
#[test]
fn windows_and_lengths_at_their_limits_do_not_overflow() {
    const LARGEST: u32 = (1 << 31) - 1;
    let mut peer = Peer::with(LIMITS, &[(4, LARGEST), (5, (1 << 24) - 1)]);
    peer.says(&[grow(0, LARGEST - 65_535)]).expect("room");
    let stream = peer.asks(1);
    peer.server.send(stream, vec![0; 1 << 20].into());
    assert_eq!(peer.hears(), ["DATA 1 1048576"]);
    for window in [0, LARGEST, 0, LARGEST] {
        peer.says(&[settings(&[(4, window)])]).expect("room comes and goes");
    }
    peer.server.send(stream, vec![0; 10].into());
    assert_eq!(peer.hears().last().map(String::as_str), Some("DATA 1 10"));
    assert_eq!(peer.says(&[grow(1, (1 << 20) + 11)]), Ok(vec![nacrite_http2::Event::Reset { stream }]));
    peer.asks(LARGEST);
}
