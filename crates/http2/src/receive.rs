//! What arrives: frames are put together, checked and turned into events (RFC 9113, 4 to 6).
//!
//! A broken rule that concerns one stream ends that stream; every other one ends the connection. What arrives on a stream
//! that is over is ignored: the client may have sent it before it knew.

use bytes::{Buf, BufMut, Bytes};

use crate::fault::{Fault, Reason};
use crate::frame::{self, Head, PAYLOAD_LEN_MAX, U31_MAX, flag, kind, put_head, setting};
use crate::hpack::{Fields, TABLE_LEN_MAX};
use crate::server::{Event, LEAVING, Phase, Server};
use crate::stream::{Stream, StreamId};

/// A block of header fields that goes over several frames.
#[derive(Debug)]
pub(crate) struct Block {
    stream: u32,
    ended: bool,
    packed: Vec<u8>,
    /// Bytes of the frames that brought it.
    arrived: usize,
}

impl Server {
    /// Takes bytes that arrived behind the preface, in any pieces. What happened is added to `events`.
    ///
    /// # Errors
    /// [`Fault`] if the client broke a rule that ends the connection. It is told in the output; nothing more may be read.
    /// What it did before stands in `events`.
    pub fn receive(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        if self.input.is_empty() {
            let used = self.frames(bytes, events)?;
            self.input.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        self.input.extend_from_slice(bytes);
        let mut input = std::mem::take(&mut self.input);
        let used = self.frames(&input, events)?;
        input.advance(used);
        if !input.is_empty() {
            self.input = input;
        }
        Ok(())
    }

    /// Takes every whole frame. Returns how many bytes those were.
    fn frames(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<usize, Fault> {
        let mut used = 0;
        while let Some(head) = Head::read(&bytes[used..]) {
            if head.len > PAYLOAD_LEN_MAX {
                return Err(self.fail(Fault::new(Reason::FrameSizeError, "a frame is longer than may be")));
            }
            let begin = used + frame::HEAD_LEN;
            let Some(payload) = bytes.get(begin..begin + head.len) else { break };
            if let Err(fault) = self.frame(head, payload, events) {
                return Err(self.fail(fault));
            }
            used = begin + head.len;
        }
        Ok(used)
    }

    fn frame(&mut self, head: Head, payload: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        if !self.has_settings && head.kind != kind::SETTINGS {
            return Err(Fault::protocol("the first frame is not the settings"));
        }
        if let Some(block) = &self.block
            && (head.kind != kind::CONTINUATION || head.stream != block.stream)
        {
            return Err(Fault::protocol("header fields are cut off by another frame"));
        }
        match head.kind {
            kind::DATA => self.data(head, payload, events),
            kind::HEADERS => self.headers_arrived(head, payload, events),
            kind::CONTINUATION => self.continuation(head, payload, events),
            kind::RST_STREAM => self.reset_arrived(head, payload, events),
            kind::WINDOW_UPDATE => self.window_update(head, payload, events),
            kind::SETTINGS => self.settings(head, payload),
            kind::PING => self.ping(head, payload),
            kind::PRIORITY if head.stream == 0 => Err(Fault::protocol("a priority of the connection")),
            kind::PRIORITY if head.len != 5 => Err(Fault::new(Reason::FrameSizeError, "a priority of a wrong length")),
            kind::PUSH_PROMISE => Err(Fault::protocol("a client pushes")),
            kind::GOAWAY if head.stream != 0 => Err(Fault::protocol("a stream leaves")),
            kind::GOAWAY if head.len < 8 => Err(Fault::new(Reason::FrameSizeError, "a farewell is cut off")),
            // Priorities are not used; a client that leaves ends its streams first; what is not known is ignored.
            _ => Ok(()),
        }
    }

    fn data(&mut self, head: Head, payload: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        self.must_have_begun(head.stream)?;
        self.take_from_window(head.len)?;
        let Some(content) = frame::unpadded(payload, head.has(flag::PADDED)) else {
            return Err(Fault::protocol("more padding than payload"));
        };
        let ended = head.has(flag::END_STREAM);
        let stream_window = self.limits.stream_window;
        let Some(stream) = self.streams.get_mut(head.stream) else { return Ok(()) };
        if stream.is_heard {
            return self.stream_fault(head.stream, Reason::StreamClosed, events);
        }
        if stream.is_answered {
            self.late(head.stream, ended, content.is_empty());
            return Ok(());
        }
        stream.receive_window -= head.len as i64;
        if stream.receive_window < 0 {
            return self.stream_fault(head.stream, Reason::FlowControlError, events);
        }
        stream.is_heard = ended;
        stream.received += head.len as u32;
        if !ended && stream.received >= stream_window / 2 {
            let received = std::mem::take(&mut stream.received);
            stream.receive_window += i64::from(received);
            self.put_window_update(head.stream, received);
        }
        if ended || !content.is_empty() {
            events.push(Event::Data { stream: StreamId(head.stream), data: Bytes::copy_from_slice(content), ended });
        }
        Ok(())
    }

    /// Something arrived on a stream whose response is over. A client that goes on sending is told that it need not.
    fn late(&mut self, id: u32, ended: bool, is_empty: bool) {
        if ended {
            self.forget(id);
        } else if !is_empty {
            self.forget(id);
            self.put_reset(id, Reason::NoError);
        }
    }

    /// The window of the connection. It is given back at once: whoever takes the events bounds what it keeps.
    fn take_from_window(&mut self, len: usize) -> Result<(), Fault> {
        self.receive_window -= len as i64;
        if self.receive_window < 0 {
            return Err(Fault::new(Reason::FlowControlError, "more data than the connection has room for"));
        }
        self.received += len as u32;
        if self.received >= self.limits.connection_window / 2 {
            let received = std::mem::take(&mut self.received);
            self.receive_window += i64::from(received);
            self.put_window_update(0, received);
        }
        Ok(())
    }

    fn headers_arrived(&mut self, head: Head, payload: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        if head.stream.is_multiple_of(2) {
            return Err(Fault::protocol("a stream with an even number"));
        }
        let Some(mut packed) = frame::unpadded(payload, head.has(flag::PADDED)) else {
            return Err(Fault::protocol("more padding than payload"));
        };
        if head.has(flag::PRIORITY) {
            packed = packed.get(5..).ok_or(Fault::new(Reason::FrameSizeError, "a priority is cut off"))?;
        }
        let ended = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.block_arrived(head.stream, ended, packed, events);
        }
        self.block =
            Some(Box::new(Block { stream: head.stream, ended, packed: packed.to_vec(), arrived: payload.len() }));
        Ok(())
    }

    fn continuation(&mut self, head: Head, payload: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        let Some(mut block) = self.block.take() else {
            return Err(Fault::protocol("header fields go on that never began"));
        };
        // A list that would be taken is hardly ever longer packed than unpacked. Heads of frames count as well: a block may
        // not go on for ever in frames that bring nothing.
        block.arrived += frame::HEAD_LEN + payload.len();
        if block.arrived > self.limits.header_list_len.max(PAYLOAD_LEN_MAX) {
            return Err(Fault::new(Reason::EnhanceYourCalm, "header fields without an end"));
        }
        block.packed.extend_from_slice(payload);
        if head.has(flag::END_HEADERS) {
            return self.block_arrived(block.stream, block.ended, &block.packed, events);
        }
        self.block = Some(block);
        Ok(())
    }

    fn block_arrived(&mut self, id: u32, ended: bool, packed: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        // Read whatever becomes of the stream: fields that come later may refer to these.
        let fields = self.fields.read(packed);
        let fields = fields.ok_or(Fault::new(Reason::CompressionError, "header fields cannot be unpacked"))?;
        if let Some(stream) = self.streams.get_mut(id) {
            if stream.is_heard {
                return self.stream_fault(id, Reason::StreamClosed, events);
            }
            if !ended || fields.not_trailers().is_some() {
                return self.stream_fault(id, Reason::ProtocolError, events);
            }
            if stream.is_answered {
                self.late(id, ended, true);
                return Ok(());
            }
            stream.is_heard = true;
            events.push(Event::Data { stream: StreamId(id), data: Bytes::new(), ended });
            return Ok(());
        }
        if id <= self.last_id {
            // Fields behind a message may be late; what begins a request never is.
            let is_again = fields.begin_a_request();
            return if is_again { Err(Fault::protocol("a stream is begun again")) } else { Ok(()) };
        }
        self.request(id, ended, fields, events)
    }

    fn request(&mut self, id: u32, ended: bool, fields: Fields, events: &mut Vec<Event>) -> Result<(), Fault> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        self.last_id = id;
        let streams_max = self.limits.streams as usize;
        if self.streams.len() >= streams_max {
            // Answered ones of which the client never says the last make room.
            self.streams.take_answered().into_iter().for_each(|id| self.put_reset(id, Reason::NoError));
        }
        if self.streams.len() >= streams_max {
            self.put_reset(id, Reason::RefusedStream);
            return Ok(());
        }
        if fields.list_len > self.limits.header_list_len {
            return self.stream_fault(id, Reason::EnhanceYourCalm, events);
        }
        let Some(path) = fields.path.as_ref().filter(|_| fields.not_a_request().is_none()) else {
            return self.stream_fault(id, Reason::ProtocolError, events);
        };
        let (stream, path) = (StreamId(id), path.clone());
        events.push(Event::Request { stream, path, encoding: fields.encoding, ended });
        self.streams.push(Stream {
            id,
            receive_window: i64::from(self.limits.stream_window),
            received: 0,
            send_window: i64::from(self.peer_window),
            is_heard: ended,
            is_answered: false,
            waiting: None,
        });
        Ok(())
    }

    fn reset_arrived(&mut self, head: Head, payload: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        self.must_have_begun(head.stream)?;
        if payload.len() != 4 {
            return Err(Fault::new(Reason::FrameSizeError, "a reset of a wrong length"));
        }
        match self.given_up(head.stream, events) {
            Some(stream) if !stream.is_heard => self.wasted(),
            _ => Ok(()),
        }
    }

    /// A stream is over before it was answered.
    fn given_up(&mut self, id: u32, events: &mut Vec<Event>) -> Option<Stream> {
        let stream = self.forget(id).filter(|stream| !stream.is_answered)?;
        events.push(Event::Reset { stream: StreamId(id) });
        Some(stream)
    }

    /// Counts a stream that came to nothing by what the client did.
    fn wasted(&mut self) -> Result<(), Fault> {
        self.wasted += 1;
        if self.wasted > self.limits.wasted {
            return Err(Fault::new(
                Reason::EnhanceYourCalm,
                "calls are begun and come to nothing, one after the other",
            ));
        }
        Ok(())
    }

    fn window_update(&mut self, head: Head, mut payload: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        if payload.len() != 4 {
            return Err(Fault::new(Reason::FrameSizeError, "a window update of a wrong length"));
        }
        let len = i64::from(payload.get_u32() & U31_MAX);
        if head.stream == 0 {
            if len == 0 {
                return Err(Fault::protocol("a window that does not grow"));
            }
            self.send_window += len;
            if self.send_window > i64::from(U31_MAX) {
                return Err(Fault::new(Reason::FlowControlError, "a window beyond its limit"));
            }
            return Ok(());
        }
        self.must_have_begun(head.stream)?;
        let Some(stream) = self.streams.get_mut(head.stream) else { return Ok(()) };
        stream.send_window += len;
        if len == 0 {
            return self.stream_fault(head.stream, Reason::ProtocolError, events);
        }
        if stream.send_window > i64::from(U31_MAX) {
            return self.stream_fault(head.stream, Reason::FlowControlError, events);
        }
        Ok(())
    }

    fn settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(Fault::protocol("settings of a stream"));
        }
        let is_ack = head.has(flag::ACK);
        if is_ack && !payload.is_empty() || !payload.len().is_multiple_of(6) {
            return Err(Fault::new(Reason::FrameSizeError, "settings of a wrong length"));
        }
        if is_ack && !self.has_settings {
            return Err(Fault::protocol("settings are taken note of before any were sent"));
        }
        if is_ack {
            return Ok(());
        }
        self.has_settings = true;
        for mut entry in payload.chunks_exact(6) {
            let (id, value) = (entry.get_u16(), entry.get_u32());
            match id {
                setting::ENABLE_PUSH if value > 1 => {
                    return Err(Fault::protocol("a setting that is neither on nor off"));
                }
                setting::TABLE_LEN_MAX if (value as usize) < TABLE_LEN_MAX => self.must_keep_nothing = true,
                setting::INITIAL_WINDOW => self.change_windows(value)?,
                setting::FRAME_LEN_MAX if !(PAYLOAD_LEN_MAX as u32..1 << 24).contains(&value) => {
                    return Err(Fault::protocol("frames of a length that cannot be"));
                }
                setting::FRAME_LEN_MAX => self.peer_frame_len = value as usize,
                _ => {}
            }
        }
        self.output.put(|out| put_head(out, 0, kind::SETTINGS, flag::ACK, 0));
        Ok(())
    }

    /// Every stream gains or loses what the client's first window did (RFC 9113, 6.9.2).
    fn change_windows(&mut self, window: u32) -> Result<(), Fault> {
        let too_large = Fault::new(Reason::FlowControlError, "a window beyond its limit");
        if window > U31_MAX {
            return Err(too_large);
        }
        let change = i64::from(window) - i64::from(self.peer_window);
        self.peer_window = window;
        for stream in self.streams.iter_mut() {
            stream.send_window += change;
            if stream.send_window > i64::from(U31_MAX) {
                return Err(too_large);
            }
        }
        Ok(())
    }

    fn ping(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(Fault::protocol("a ping of a stream"));
        }
        if payload.len() != 8 {
            return Err(Fault::new(Reason::FrameSizeError, "a ping of a wrong length"));
        }
        if !head.has(flag::ACK) {
            self.output.put(|out| {
                put_head(out, payload.len(), kind::PING, flag::ACK, 0);
                out.put_slice(payload);
            });
        } else if self.phase == Phase::Leaving && payload == LEAVING {
            // It has read that it should leave, so this number is the last one.
            self.phase = Phase::Closed;
            self.put_goaway(self.last_id, Reason::NoError);
        }
        Ok(())
    }

    /// Frames on streams that nobody began are a fault; those on streams that are over are late.
    fn must_have_begun(&self, stream: u32) -> Result<(), Fault> {
        if stream == 0 || stream.is_multiple_of(2) || stream > self.last_id && self.phase != Phase::Closed {
            return Err(Fault::protocol("a frame on a stream that was never begun"));
        }
        Ok(())
    }

    /// Ends one stream over what the client did on it.
    fn stream_fault(&mut self, id: u32, reason: Reason, events: &mut Vec<Event>) -> Result<(), Fault> {
        self.put_reset(id, reason);
        self.given_up(id, events);
        self.wasted()
    }
}
