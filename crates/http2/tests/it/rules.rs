//! Rules of RFC 9113 that concern a server, by their sections.

use nacrite_http2::{Event, Reason};

use crate::script::*;

/// Fields of a request, not to be kept, in plain text.
fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in list {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("short"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn malformed(list: &[(&str, &str)]) {
    ends_the_stream(Reason::ProtocolError, &[frame(HEADERS, END | END_HEADERS, 1, &fields(list))]);
}

#[test]
fn s3_4_the_first_frame_is_the_settings() {
    for first in [frame(PING, 0, 0, &[0; 8]), request(1), frame(SETTINGS, ACK, 0, &[])] {
        let mut peer = Peer::before_settings(LIMITS);
        assert_eq!(peer.says(&[first]).expect_err("a fault").reason, Reason::ProtocolError);
        assert_eq!(peer.hears(), ["SETTINGS 3", "WINDOW_UPDATE 0 34465", "GOAWAY 0 ProtocolError"]);
    }
}

#[test]
fn s4_1_frames_and_flags_that_nobody_knows_are_ignored() {
    let mut peer = Peer::new();
    let unknown = [frame(0x16, 0xff, 0, &[1; 8]), frame(0xfe, 0, 7, &[]), frame(PING, 0xfe, 0, &[7; 8])];
    assert_eq!(peer.says(&unknown), Ok(Vec::new()));
    assert_eq!(peer.hears(), ["PING ack"]);
    // The highest bit of a stream's number is none of it.
    assert_eq!(peer.says(&[request(1 | 1 << 31)]).map(|events| events.len()), Ok(1));
}

#[test]
fn s4_2_a_frame_beyond_the_limit_ends_the_connection() {
    ends_the_connection(Reason::FrameSizeError, &[frame(0x16, 0, 0, &[0; 16_385])]);
    // Its head is enough: nobody waits for the rest.
    ends_the_connection(Reason::FrameSizeError, &[vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]]);
    let mut peer = Peer::new();
    assert_eq!(peer.says(&[upload(1), data(1, END, &[0; 16_384])]).map(|events| events.len()), Ok(2));
}

#[test]
fn s4_3_fields_that_cannot_be_unpacked_end_the_connection() {
    for block in [&b"\x80"[..], b"\xff\xff\xff\xff\xff\x0f", b"\x00\x05abc", b"\xbe"] {
        ends_the_connection(Reason::CompressionError, &[frame(HEADERS, END_HEADERS, 1, block)]);
    }
}

#[test]
fn s4_3_fields_of_refused_streams_count_for_later_ones() {
    let mut peer = Peer::new();
    for stream in [1, 3, 5, 7] {
        peer.asks(stream);
    }
    // Kept with the refused request; the next one names the path by its place alone.
    let kept = frame(HEADERS, END | END_HEADERS, 9, b"\x83\x86\x44\x03/ab");
    assert_eq!(peer.says(&[kept, reset(1)]).map(|events| events.len()), Ok(1));
    assert_eq!(peer.hears(), ["RST_STREAM 9 RefusedStream"]);
    let events = peer.says(&[frame(HEADERS, END | END_HEADERS, 11, b"\x83\x86\xbe")]).expect("a request");
    assert!(matches!(&events[..], [Event::Request { path, ended: true, .. }] if &**path == "/ab"), "{events:?}");
}

#[test]
fn s4_3_1_a_smaller_table_is_acknowledged_in_front_of_the_next_block() {
    let mut peer = Peer::with(LIMITS, &[(1, 0)]);
    for (stream, wanted) in [(1, &[0x20, 0x88][..]), (3, &[0x88])] {
        let stream = peer.asks(stream);
        peer.server.headers(stream, &nacrite_http2::HeaderBlock::response(&[]));
        assert_eq!(&peer.hears_bytes(usize::MAX)[9..], wanted);
    }
}

#[test]
fn s5_1_idle_streams_take_nothing_but_a_request() {
    for frame in [data(1, 0, b"x"), reset(1), grow(1, 1)] {
        ends_the_connection(Reason::ProtocolError, &[frame]);
    }
    let mut peer = Peer::new();
    assert_eq!(peer.says(&[frame(PRIORITY, 0, 3, &[0; 5]), request(1)]).map(|events| events.len()), Ok(1));
}

#[test]
fn s5_1_a_stream_that_was_ended_takes_nothing_more() {
    ends_the_stream(Reason::StreamClosed, &[request(1), data(1, 0, b"x")]);
    ends_the_stream(Reason::StreamClosed, &[request(1), frame(HEADERS, END | END_HEADERS, 1, &[])]);
    let mut peer = Peer::new();
    assert_eq!(peer.says(&[request(1), grow(1, 9), frame(PRIORITY, 0, 1, &[0; 5])]).map(|events| events.len()), Ok(1));
    assert_eq!(peer.hears(), [""; 0]);
}

#[test]
fn s5_1_what_comes_late_on_a_stream_that_is_over_is_ignored() {
    let mut peer = Peer::new();
    let late = [data(1, 0, b"x"), data(1, END, b""), grow(1, 1), reset(1), frame(HEADERS, END | END_HEADERS, 1, &[])];
    assert_eq!(peer.says(&[upload(1), reset(1)]).map(|events| events.len()), Ok(2));
    assert_eq!(peer.says(&late), Ok(Vec::new()));
    assert_eq!(peer.hears(), [""; 0]);
}

#[test]
fn s5_1_1_streams_are_odd_and_only_grow() {
    ends_the_connection(Reason::ProtocolError, &[request(2)]);
    ends_the_connection(Reason::ProtocolError, &[request(0)]);
    ends_the_connection(Reason::ProtocolError, &[request(5), request(3)]);
    ends_the_connection(Reason::ProtocolError, &[request(1), reset(1), request(1)]);
}

#[test]
fn s5_1_2_streams_beyond_the_limit_are_refused() {
    let mut peer = Peer::new();
    let asked: Vec<_> = [1, 3, 5, 7, 9].map(request).into();
    assert_eq!(peer.says(&asked).map(|events| events.len()), Ok(4));
    assert_eq!(peer.hears(), ["RST_STREAM 9 RefusedStream"]);
    peer.server.reset(peer.stream(1), Reason::Cancel);
    assert_eq!(peer.says(&[request(11)]).map(|events| events.len()), Ok(1));
}

#[test]
fn s6_1_and_6_2_padding_is_taken_off() {
    let mut peer = Peer::new();
    let padded = [&[3][..], POST, &[0; 3]].concat();
    let weighed = [&[1, 0, 0, 0, 0, 9][..], POST, &[0]].concat();
    let events = peer
        .says(&[
            frame(HEADERS, END_HEADERS | PADDED, 1, &padded),
            data(1, END | PADDED, b"\x02ab\0\0"),
            frame(HEADERS, END | END_HEADERS | PADDED | WITH_PRIORITY, 3, &weighed),
        ])
        .expect("two requests");
    assert!(matches!(&events[1], Event::Data { data, ended: true, .. } if &data[..] == b"ab"), "{events:?}");
    assert_eq!(events.len(), 3);
    ends_the_connection(Reason::ProtocolError, &[upload(1), data(1, PADDED, b"\x03ab")]);
    ends_the_connection(Reason::ProtocolError, &[upload(1), data(1, PADDED, b"")]);
    ends_the_connection(Reason::ProtocolError, &[frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09\x83")]);
    ends_the_connection(Reason::FrameSizeError, &[frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, b"\0\0\0")]);
}

#[test]
fn s6_frames_of_the_connection_and_of_streams_are_not_mixed_up() {
    for frame in [
        data(0, 0, b"x"),
        data(2, 0, b"x"),
        frame(PRIORITY, 0, 0, &[0; 5]),
        reset(0),
        frame(SETTINGS, 0, 1, &[]),
        frame(PING, 0, 1, &[0; 8]),
        frame(GOAWAY, 0, 1, &[0; 8]),
        frame(PUSH_PROMISE, END_HEADERS, 1, &[0; 4]),
        frame(CONTINUATION, END_HEADERS, 1, POST),
    ] {
        ends_the_connection(Reason::ProtocolError, &[frame]);
    }
}

#[test]
fn s6_lengths_that_cannot_be_end_the_connection() {
    for frame in [
        frame(PRIORITY, 0, 1, &[0; 4]),
        frame(RST_STREAM, 0, 1, &[0; 3]),
        frame(SETTINGS, 0, 0, &[0; 5]),
        frame(SETTINGS, ACK, 0, &[0; 6]),
        frame(PING, 0, 0, &[0; 7]),
        frame(GOAWAY, 0, 0, &[0; 7]),
        frame(WINDOW_UPDATE, 0, 0, &[0; 5]),
    ] {
        ends_the_connection(Reason::FrameSizeError, &[request(1), frame]);
    }
}

#[test]
fn s6_5_settings_are_checked_and_acknowledged() {
    ends_the_connection(Reason::ProtocolError, &[settings(&[(2, 2)])]);
    ends_the_connection(Reason::FlowControlError, &[settings(&[(4, 1 << 31)])]);
    ends_the_connection(Reason::ProtocolError, &[settings(&[(5, 16_383)])]);
    ends_the_connection(Reason::ProtocolError, &[settings(&[(5, 1 << 24)])]);
    let mut peer = Peer::new();
    let said = settings(&[(1, 0), (2, 1), (3, 0), (4, (1 << 31) - 1), (5, (1 << 24) - 1), (6, 0), (0xffff, 7)]);
    assert_eq!(peer.says(&[said, frame(SETTINGS, ACK, 0, &[])]), Ok(Vec::new()));
    assert_eq!(peer.hears(), ["SETTINGS ack"]);
}

#[test]
fn s6_7_pings_are_answered_with_what_they_carry() {
    let mut peer = Peer::new();
    assert_eq!(peer.says(&[frame(PING, 0, 0, b"12345678"), frame(PING, ACK, 0, b"87654321")]), Ok(Vec::new()));
    assert_eq!(peer.hears_bytes(usize::MAX), frame(PING, ACK, 0, b"12345678"));
}

#[test]
fn s6_10_nothing_comes_between_the_parts_of_a_block() {
    let begun = || frame(HEADERS, 0, 1, &POST[..2]);
    for other in [request(3), frame(PING, 0, 0, &[0; 8]), frame(0x16, 0, 0, &[]), frame(CONTINUATION, 0, 3, POST)] {
        ends_the_connection(Reason::ProtocolError, &[begun(), other]);
    }
    let mut peer = Peer::new();
    let whole = [begun(), frame(CONTINUATION, 0, 1, &POST[2..4]), frame(CONTINUATION, END_HEADERS, 1, &POST[4..])];
    let events = peer.says(&whole).expect("a request");
    assert!(matches!(&events[..], [Event::Request { path, ended: false, .. }] if &**path == "/a"), "{events:?}");
}

#[test]
fn s8_1_trailers_end_a_message_and_nothing_else_does() {
    let mut peer = Peer::new();
    let trailers = frame(HEADERS, END | END_HEADERS, 1, &fields(&[("x", "y")]));
    let events = peer.says(&[upload(1), data(1, 0, b"x"), trailers]).expect("a request");
    assert!(matches!(&events[2], Event::Data { data, ended: true, .. } if data.is_empty()), "{events:?}");
    ends_the_stream(Reason::ProtocolError, &[upload(1), frame(HEADERS, END_HEADERS, 1, &fields(&[("x", "y")]))]);
    ends_the_stream(Reason::ProtocolError, &[upload(1), frame(HEADERS, END | END_HEADERS, 1, POST)]);
}

#[test]
fn s8_2_names_and_values_that_no_field_may_have() {
    let good = [(":method", "POST"), (":scheme", "http"), (":path", "/a")];
    for (name, value) in [
        ("X", "y"),
        ("", "y"),
        ("a b", "y"),
        ("a:b", "y"),
        ("a\u{7f}", "y"),
        ("\u{e4}", "y"),
        ("x", "a\0b"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", " a"),
        ("x", "a\t"),
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-connection", "1"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        (":status", "200"),
        (":other", "x"),
    ] {
        malformed(&[&good[..], &[(name, value)]].concat());
    }
    let mut peer = Peer::new();
    let more = [("te", "trailers"), ("grpc-encoding", "gzip"), ("x-y_z.1", "a b\t\u{e4}"), ("x", "")];
    let block = fields(&[&good[..], &more].concat());
    let events = peer.says(&[frame(HEADERS, END_HEADERS, 1, &block)]).expect("a request");
    assert!(matches!(&events[..], [Event::Request { encoding: Some(gzip), .. }] if &**gzip == "gzip"), "{events:?}");
}

/// A value that is none was kept without its text, and the next request that repeated it was taken for a good one.
#[test]
fn s8_2_a_broken_value_stays_broken_when_it_is_repeated() {
    let mut peer = Peer::new();
    let kept = frame(HEADERS, END | END_HEADERS, 1, b"\x83\x86\x04\x02/a\x40\x0dgrpc-encoding\x01\xff");
    let again = frame(HEADERS, END | END_HEADERS, 3, b"\x83\x86\x04\x02/a\xbe");
    assert_eq!(peer.says(&[kept, again]), Ok(Vec::new()));
    assert_eq!(peer.hears(), ["RST_STREAM 1 ProtocolError", "RST_STREAM 3 ProtocolError"]);
}

#[test]
fn s8_3_fields_with_a_colon_come_first_and_once_and_none_is_missing() {
    let good = [(":method", "POST"), (":scheme", "http"), (":path", "/a")];
    for missing in 0..3 {
        let mut some = good.to_vec();
        some.remove(missing);
        malformed(&some);
        malformed(&[&good[..], &good[missing..=missing]].concat());
    }
    malformed(&[good[0], good[1], (":path", "")]);
    malformed(&[good[0], good[1], ("x", "y"), good[2]]);
}
