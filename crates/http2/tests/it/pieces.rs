//! However bytes are cut on their way, the same happens.

use bytes::Bytes;
use nacrite_http2::{Event, HeaderBlock};

use crate::script::*;

/// A little of everything, ended by a fault.
fn talk() -> Vec<u8> {
    [
        settings(&[(4, 1000), (1, 100)]),
        frame(HEADERS, 0, 1, &POST[..3]),
        frame(CONTINUATION, END_HEADERS, 1, &POST[3..]),
        data(1, PADDED, b"\x02ab\0\0"),
        frame(HEADERS, END | END_HEADERS | PADDED, 3, &[&[1][..], POST, &[0]].concat()),
        frame(PING, 0, 0, b"12345678"),
        grow(1, 77),
        data(1, END, &[7; 300]),
        upload(5),
        reset(5),
        frame(0x33, 0, 0, &[1; 40]),
        grow(0, 0),
        request(7),
    ]
    .concat()
}

/// What happened, why it ended and what was answered, if the bytes come in these parts.
fn heard(parts: &[&[u8]]) -> (Vec<Event>, String, Vec<u8>) {
    let mut peer = Peer::before_settings(LIMITS);
    let mut events = Vec::new();
    for part in parts {
        if let Err(fault) = peer.server.receive(part, &mut events) {
            let answer = peer.hears_bytes(usize::MAX);
            return (events, fault.to_string(), answer);
        }
    }
    let answer = peer.hears_bytes(usize::MAX);
    (events, String::new(), answer)
}

#[test]
fn bytes_cut_anywhere_mean_the_same() {
    let talk = talk();
    let whole = heard(&[&talk]);
    assert_eq!((whole.0.len(), whole.1.is_empty()), (6, false), "{whole:?}");
    for at in 0..=talk.len() {
        let (first, rest) = talk.split_at(at);
        assert_eq!(heard(&[first, rest]), whole, "cut at {at}");
        let (second, third) = rest.split_at(rest.len() / 3);
        assert_eq!(heard(&[first, second, third]), whole, "cut at {at} and later");
    }
    let bytes: Vec<&[u8]> = talk.chunks(1).collect();
    assert_eq!(heard(&bytes), whole);
}

#[test]
fn output_is_the_same_however_it_is_written() {
    let written = |at_once: usize| {
        let mut peer = Peer::with(LIMITS, &[(4, 1 << 20)]);
        let (first, second) = (peer.asks(1), peer.asks(3));
        for (stream, len) in [(first, 5000), (second, 100), (first, 100), (second, 30_000)] {
            peer.server.headers(stream, &HeaderBlock::response(&[("a", "b")]));
            peer.server.send(stream, Bytes::from(vec![b'x'; len]));
        }
        for stream in [first, second] {
            peer.server.finish(stream, HeaderBlock::trailers(&[("c", "d")]));
        }
        peer.hears_bytes(at_once)
    };
    // Only where frames are cut may depend on how fast the socket is; what they carry may not.
    let carried = |bytes: &[u8]| {
        let (told, used) = told(bytes);
        assert_eq!(used, bytes.len());
        let of = |stream: &str| -> usize {
            let word = format!("DATA {stream} ");
            told.iter().filter_map(|frame| frame.strip_prefix(&word)?.parse::<usize>().ok()).sum()
        };
        let ends: Vec<_> = told.iter().filter(|frame| frame.ends_with("end")).cloned().collect();
        (of("1"), of("3"), ends)
    };
    let whole = carried(&written(usize::MAX));
    assert_eq!((whole.0, whole.1, whole.2.len()), (5100, 30_100, 2));
    for at_once in [1, 3, 9, 10, 1000, 4096] {
        assert_eq!(carried(&written(at_once)), whole, "{at_once} bytes at once");
    }
}
