//! The state of a connection, and how it ends.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::fault::{Fault, Reason};
use crate::frame::{U31_MAX, kind, put_head, setting};
use crate::hpack::Decoder;
use crate::output::Output;
use crate::stream::{StreamId, Streams};

/// Window of a connection, and of a stream, before anybody says otherwise (RFC 9113, 6.9.2).
pub(crate) const WINDOW_AT_FIRST: u32 = 65_535;

/// Unwritten bytes from which on nothing more is taken from the streams. What a client that does not read costs, beside
/// one message for each stream.
pub(crate) const UNWRITTEN_LEN_MAX: usize = 32 * 1024;

/// Unwritten bytes from which on nothing more should be read: answers to pings and settings stay bounded so.
const UNREAD_FROM: usize = 4 * UNWRITTEN_LEN_MAX;

/// What the ping carries that a leaving server sends: its answer says that everything sent before was read.
pub(crate) const LEAVING: [u8; 8] = *b"leaving\0";

/// Bounds on what a client may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls under way; further ones are refused, and may be tried again.
    pub streams: u32,
    /// Bytes that it may send ahead on one stream: 65,535 and above.
    pub stream_window: u32,
    /// Bytes that it may send ahead in all: 65,535 and above.
    pub connection_window: u32,
    /// Bytes of the header fields of a call.
    pub header_list_len: usize,
    /// Calls that may come to nothing in a row, because it gives them up before their message is there or breaks a rule on
    /// their streams; more is an attack.
    pub wasted: u32,
}

/// What a client did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// It began a call.
    Request {
        /// On this stream.
        stream: StreamId,
        /// What it asks for.
        path: Arc<str>,
        /// What it says in `grpc-encoding`.
        encoding: Option<Arc<str>>,
        /// Nothing follows.
        ended: bool,
    },
    /// It sent a part of a message.
    Data {
        /// On this stream.
        stream: StreamId,
        /// May be empty.
        data: Bytes,
        /// Nothing follows.
        ended: bool,
    },
    /// It gave a call up, or broke a rule on its stream. Nothing can be sent on it.
    Reset {
        /// The call.
        stream: StreamId,
    },
}

/// How far the end of a connection came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    Open,
    /// The client was told to begin nothing new; what it sent before it read that is still taken.
    Leaving,
    /// What it begins is no longer looked at.
    Closed,
}

/// The server's end of one connection, from behind the preface on.
#[derive(Debug)]
pub struct Server {
    pub(crate) limits: Limits,
    /// A frame of which a part has arrived.
    pub(crate) input: BytesMut,
    /// A block of header fields of which a part has arrived.
    pub(crate) block: Option<Box<crate::receive::Block>>,
    pub(crate) fields: Decoder,
    pub(crate) streams: Streams,
    /// The highest number that the client used.
    pub(crate) last_id: u32,
    pub(crate) receive_window: i64,
    /// Bytes that were received and not given back to the window yet.
    pub(crate) received: u32,
    pub(crate) send_window: i64,
    /// Window of each new stream of the client.
    pub(crate) peer_window: u32,
    pub(crate) peer_frame_len: usize,
    pub(crate) has_settings: bool,
    /// Calls that came to nothing since the last one that was answered.
    pub(crate) wasted: u32,
    /// The client asked for a smaller table of fields, and was not told yet that none is used.
    pub(crate) must_keep_nothing: bool,
    pub(crate) phase: Phase,
    /// Bytes that wait on streams, and on how many of them.
    pub(crate) waiting_len: usize,
    pub(crate) waiting: usize,
    pub(crate) output: Output,
}

impl Server {
    /// The end of a connection whose preface was read. Its settings stand in the output.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let mut server = Self {
            limits,
            input: BytesMut::new(),
            block: None,
            fields: Decoder::new(),
            streams: Streams::default(),
            last_id: 0,
            receive_window: i64::from(limits.connection_window),
            received: 0,
            send_window: i64::from(WINDOW_AT_FIRST),
            peer_window: WINDOW_AT_FIRST,
            peer_frame_len: crate::frame::PAYLOAD_LEN_MAX,
            has_settings: false,
            wasted: 0,
            must_keep_nothing: false,
            phase: Phase::Open,
            waiting_len: 0,
            waiting: 0,
            output: Output::default(),
        };
        let header_list_len = u32::try_from(limits.header_list_len).unwrap_or(u32::MAX);
        let settings = [
            (setting::STREAMS_MAX, limits.streams),
            (setting::INITIAL_WINDOW, limits.stream_window),
            (setting::HEADER_LIST_LEN_MAX, header_list_len),
        ];
        server.output.put(|out| {
            put_head(out, settings.len() * 6, kind::SETTINGS, 0, 0);
            for (id, value) in settings {
                out.put_u16(id);
                out.put_u32(value);
            }
        });
        server.put_window_update(0, limits.connection_window.saturating_sub(WINDOW_AT_FIRST));
        server
    }

    /// Tells the client to begin nothing new. Calls under way go on; those that it began before it heard of this are taken.
    pub fn leave(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Leaving;
            self.put_goaway(U31_MAX, Reason::NoError);
            self.output.put(|out| {
                put_head(out, LEAVING.len(), kind::PING, 0, 0);
                out.put_slice(&LEAVING);
            });
        }
    }

    /// Whether the client knows that the connection ends, and nothing is left to do on it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Closed && self.streams.len() == 0 && self.output.len() == 0
    }

    /// Whether more should be read from the socket. Not while a client does not read what it asked for.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.output.len() < UNREAD_FROM
    }

    /// What is to be written, in at most as many slices as there is room for. Returns how many there are.
    pub fn output<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.output.slices(slices)
    }

    /// Bytes that are to be written.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// So many bytes of the output were written.
    ///
    /// # Panics
    /// If that is more than there was.
    pub fn written(&mut self, len: usize) {
        self.output.advance(len);
    }

    pub(crate) fn put_goaway(&mut self, last: u32, reason: Reason) {
        self.output.put(|out| {
            put_head(out, 8, kind::GOAWAY, 0, 0);
            out.put_u32(last);
            out.put_u32(reason.code());
        });
    }

    pub(crate) fn put_window_update(&mut self, stream: u32, len: u32) {
        if len > 0 {
            self.output.put(|out| {
                put_head(out, 4, kind::WINDOW_UPDATE, 0, stream);
                out.put_u32(len);
            });
        }
    }

    pub(crate) fn put_reset(&mut self, stream: u32, reason: Reason) {
        self.output.put(|out| {
            put_head(out, 4, kind::RST_STREAM, 0, stream);
            out.put_u32(reason.code());
        });
    }

    /// Ends the connection over what the client did: it is told, and nothing more is taken.
    pub(crate) fn fail(&mut self, fault: Fault) -> Fault {
        self.put_goaway(self.last_id, fault.reason);
        self.phase = Phase::Closed;
        fault
    }
}
