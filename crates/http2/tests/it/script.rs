//! A client that says frames, and tells in words what it is answered.

use std::io::IoSlice;

use nacrite_http2::{Event, Fault, Limits, Reason, Server, StreamId};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

/// Small enough that a test reaches every one.
pub(crate) const LIMITS: Limits =
    Limits { streams: 4, stream_window: 65_535, connection_window: 100_000, header_list_len: 4096, wasted: 3 };

/// `POST http /a`, not to be kept.
pub(crate) const POST: &[u8] = b"\x83\x86\x04\x02/a";

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole request without a message.
pub(crate) fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, END | END_HEADERS, stream, POST)
}

/// A request whose message follows.
pub(crate) fn upload(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, POST)
}

pub(crate) fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(DATA, flags, stream, payload)
}

pub(crate) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

pub(crate) fn grow(stream: u32, len: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &len.to_be_bytes())
}

pub(crate) fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let entries: Vec<u8> =
        entries.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, &entries)
}

/// A server, and the client that speaks to it.
pub(crate) struct Peer {
    pub(crate) server: Server,
    /// Every stream that was begun, by number.
    streams: Vec<(u32, StreamId)>,
    unread: Vec<u8>,
}

impl Peer {
    /// One whose settings were exchanged.
    pub(crate) fn new() -> Self {
        Self::with(LIMITS, &[])
    }

    pub(crate) fn with(limits: Limits, said: &[(u16, u32)]) -> Self {
        let mut peer = Self::before_settings(limits);
        assert_eq!(peer.says(&[settings(said)]), Ok(Vec::new()));
        peer.hears();
        peer
    }

    pub(crate) fn before_settings(limits: Limits) -> Self {
        Self { server: Server::new(limits), streams: Vec::new(), unread: Vec::new() }
    }

    /// Says frames; what happened.
    pub(crate) fn says(&mut self, frames: &[Vec<u8>]) -> Result<Vec<Event>, Fault> {
        let bytes = frames.concat();
        let mut events = Vec::new();
        let said = self.server.receive(&bytes, &mut events);
        for event in &events {
            if let Event::Request { stream, .. } = event {
                // Its number is no part of what the server tells, and needed here only to name it.
                self.streams.push((number(*stream), *stream));
            }
        }
        said.map(|()| events)
    }

    /// Says a request and returns its stream.
    pub(crate) fn asks(&mut self, number: u32) -> StreamId {
        assert_eq!(self.says(&[request(number)]).map(|events| events.len()), Ok(1));
        self.stream(number)
    }

    pub(crate) fn stream(&self, number: u32) -> StreamId {
        self.streams.iter().find(|(known, _)| *known == number).expect("it was begun").1
    }

    /// Everything that the server has to say, in words.
    pub(crate) fn hears(&mut self) -> Vec<String> {
        let heard = self.hears_bytes(usize::MAX);
        self.unread.extend_from_slice(&heard);
        let (frames, used) = told(&self.unread);
        self.unread.drain(..used);
        frames
    }

    /// What the server has to say, written in parts of at most so many bytes.
    pub(crate) fn hears_bytes(&mut self, at_once: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        loop {
            self.server.flush();
            let mut slices = [IoSlice::new(&[]); 3];
            let count = self.server.output(&mut slices);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).take(at_once).collect();
            if bytes.is_empty() {
                return heard;
            }
            heard.extend_from_slice(&bytes);
            self.server.written(bytes.len());
        }
    }
}

/// The number of a stream, as it shows itself.
pub(crate) fn number(stream: StreamId) -> u32 {
    let shown = format!("{stream:?}");
    shown.trim_start_matches("StreamId(").trim_end_matches(')').parse().expect("a number")
}

/// Frames in words, and how many bytes they were.
pub(crate) fn told(bytes: &[u8]) -> (Vec<String>, usize) {
    let (mut told, mut at) = (Vec::new(), 0);
    while let Some(head) = bytes.get(at..at + 9) {
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some(payload) = bytes.get(at + 9..at + 9 + len) else { break };
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        told.push(in_words(head[3], head[4], stream, payload));
        at += 9 + len;
    }
    (told, at)
}

fn in_words(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> String {
    let u32_at = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
    let end = if flags & END != 0 { " end" } else { "" };
    match kind {
        DATA => format!("DATA {stream} {}{end}", payload.len()),
        HEADERS => format!("HEADERS {stream}{end}"),
        RST_STREAM => format!("RST_STREAM {stream} {}", reason(u32_at(0))),
        SETTINGS if flags & ACK != 0 => "SETTINGS ack".to_owned(),
        SETTINGS => format!("SETTINGS {}", payload.len() / 6),
        PING if flags & ACK != 0 => "PING ack".to_owned(),
        PING => "PING".to_owned(),
        GOAWAY => format!("GOAWAY {} {}", u32_at(0), reason(u32_at(4))),
        WINDOW_UPDATE => format!("WINDOW_UPDATE {stream} {}", u32_at(0)),
        kind => format!("kind {kind}"),
    }
}

fn reason(code: u32) -> &'static str {
    let known = ["NoError", "ProtocolError", "2", "FlowControlError", "4", "StreamClosed", "FrameSizeError"];
    let more = ["RefusedStream", "Cancel", "CompressionError", "10", "EnhanceYourCalm"];
    known.into_iter().chain(more).nth(code as usize).expect("a known code")
}

/// These frames end the connection for this reason, and the client is told.
#[track_caller]
pub(crate) fn ends_the_connection(wanted: Reason, frames: &[Vec<u8>]) {
    let mut peer = Peer::new();
    let fault = peer.says(frames).expect_err("a fault");
    assert_eq!(fault.reason, wanted, "{fault}");
    let last = peer.hears().pop().expect("it is told");
    assert!(last.starts_with("GOAWAY ") && last.ends_with(&format!("{wanted:?}")), "{last}");
}

/// These frames end stream 1 alone for this reason.
#[track_caller]
pub(crate) fn ends_the_stream(wanted: Reason, frames: &[Vec<u8>]) {
    let mut peer = Peer::new();
    peer.says(frames).expect("the connection goes on");
    let heard = peer.hears();
    assert!(heard.contains(&format!("RST_STREAM 1 {wanted:?}")), "{heard:?}");
    assert_eq!(peer.says(&[request(9)]).map(|events| events.len()), Ok(1), "other streams go on");
}
