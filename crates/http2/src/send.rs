//! What is sent on streams: at once as far as the client has room, and otherwise when it gives some.

use bytes::Bytes;

use crate::fault::Reason;
use crate::frame::{flag, kind, put_head};
use crate::hpack::HeaderBlock;
use crate::server::{Server, UNWRITTEN_LEN_MAX};
use crate::stream::{Stream, StreamId};

impl Server {
    /// Begins the response on a stream. Nothing happens on one that is over.
    pub fn headers(&mut self, StreamId(stream): StreamId, block: &HeaderBlock) {
        if self.streams.unanswered(stream).is_some() {
            self.put_block(stream, 0, block);
        }
    }

    /// Sends a piece on a stream, behind all others. Nothing happens on one that is over.
    pub fn send(&mut self, StreamId(stream): StreamId, piece: Bytes) {
        let Some(open) = self.streams.unanswered(stream) else { return };
        if piece.is_empty() {
            return;
        }
        if open.waiting.is_none() && self.output.len() < UNWRITTEN_LEN_MAX {
            let room = open.send_window.min(self.send_window).min(self.peer_frame_len as i64);
            if room >= piece.len() as i64 {
                open.send_window -= piece.len() as i64;
                return self.put_data(stream, piece);
            }
        }
        self.waiting_len += piece.len();
        self.waiting += usize::from(open.waiting.is_none());
        open.waiting.get_or_insert_default().pieces.push_back(piece);
    }

    /// Ends the response on a stream, behind all that was sent. Nothing happens on one that is over.
    pub fn finish(&mut self, StreamId(stream): StreamId, trailers: HeaderBlock) {
        let Some(open) = self.streams.unanswered(stream) else { return };
        match &mut open.waiting {
            Some(waiting) => waiting.trailers = Some(trailers),
            None => self.close(stream, &trailers),
        }
    }

    /// Gives a stream up. What waits on it is not sent.
    pub fn reset(&mut self, StreamId(stream): StreamId, reason: Reason) {
        if self.forget(stream).is_some() {
            self.put_reset(stream, reason);
        }
    }

    /// Whether what is sent next on this stream goes to the socket without waiting for what was sent before.
    #[must_use]
    pub fn is_clear(&self, StreamId(stream): StreamId) -> bool {
        self.output.len() < UNWRITTEN_LEN_MAX && self.streams.get(stream).is_none_or(|stream| stream.waiting.is_none())
    }

    /// Bytes that wait on streams for the client to give room, and on how many streams.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        (self.waiting_len, self.waiting)
    }

    /// Makes output of what waits on streams, as far as the client gave room and the socket keeps up.
    pub fn flush(&mut self) {
        if self.waiting == 0 {
            return;
        }
        let waiting: Vec<u32> =
            self.streams.iter().filter(|stream| stream.waiting.is_some()).map(|stream| stream.id).collect();
        for stream in waiting {
            self.flush_stream(stream);
        }
    }

    fn flush_stream(&mut self, id: u32) {
        while self.output.len() < UNWRITTEN_LEN_MAX {
            let Some(stream) = self.streams.get_mut(id) else { return };
            let Some(waiting) = &mut stream.waiting else { return };
            let Some(piece) = waiting.pieces.front_mut() else {
                let trailers = waiting.trailers.take();
                stream.waiting = None;
                self.waiting -= 1;
                if let Some(trailers) = trailers {
                    self.close(id, &trailers);
                }
                return;
            };
            let room = stream.send_window.min(self.send_window).min(self.peer_frame_len as i64);
            let Some(room) = usize::try_from(room).ok().filter(|room| *room > 0) else { return };
            let part = piece.split_to(room.min(piece.len()));
            if piece.is_empty() {
                waiting.pieces.pop_front();
            }
            stream.send_window -= part.len() as i64;
            self.waiting_len -= part.len();
            self.put_data(id, part);
        }
    }

    fn put_data(&mut self, stream: u32, part: Bytes) {
        self.send_window -= part.len() as i64;
        self.output.put(|out| put_head(out, part.len(), kind::DATA, 0, stream));
        self.output.push(part);
    }

    /// The last frame of a response. The stream is over when the client has said its last as well, which mostly is under way.
    fn close(&mut self, id: u32, trailers: &HeaderBlock) {
        self.put_block(id, flag::END_STREAM, trailers);
        self.wasted = 0;
        match self.streams.get_mut(id) {
            Some(stream) if !stream.is_heard => stream.is_answered = true,
            _ => drop(self.forget(id)),
        }
    }

    fn put_block(&mut self, stream: u32, flags: u8, block: &HeaderBlock) {
        let block = block.bytes();
        let first: &[u8] = if std::mem::take(&mut self.must_keep_nothing) { &[HeaderBlock::KEEP_NOTHING] } else { &[] };
        self.output.put(|out| {
            put_head(out, first.len() + block.len(), kind::HEADERS, flags | flag::END_HEADERS, stream);
            out.extend_from_slice(first);
            out.extend_from_slice(block);
        });
    }

    /// Takes a stream out, with all that waits on it.
    pub(crate) fn forget(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.remove(id)?;
        if let Some(waiting) = &stream.waiting {
            self.waiting -= 1;
            self.waiting_len -= waiting.pieces.iter().map(Bytes::len).sum::<usize>();
        }
        Some(stream)
    }
}
