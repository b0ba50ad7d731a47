//! Streams that are open, and what waits on them.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::hpack::HeaderBlock;

/// A stream of one connection.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(pub(crate) u32);

/// What waits for the window of a stream or of the connection.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) pieces: VecDeque<Bytes>,
    /// The stream ends behind them.
    pub(crate) trailers: Option<HeaderBlock>,
}

/// A stream that is not over.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    /// Bytes that the client may still send, and what of those that it sent it was not given back yet.
    pub(crate) receive_window: i64,
    pub(crate) received: u32,
    /// Bytes that may be sent; below zero if the client took room back.
    pub(crate) send_window: i64,
    /// The client said its last.
    pub(crate) is_heard: bool,
    /// The response is over; the client has not said its last yet.
    pub(crate) is_answered: bool,
    pub(crate) waiting: Option<Box<Waiting>>,
}

/// The open streams of a connection, by their numbers, which only grow.
#[derive(Debug, Default)]
pub(crate) struct Streams(Vec<Stream>);

impl Streams {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        let at = self.place(id)?;
        self.0.get_mut(at)
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Stream> {
        self.0.get(self.place(id)?)
    }

    /// One that is not answered.
    pub(crate) fn unanswered(&mut self, id: u32) -> Option<&mut Stream> {
        self.get_mut(id).filter(|stream| !stream.is_answered)
    }

    /// Adds one with a higher number than every other.
    pub(crate) fn push(&mut self, stream: Stream) {
        self.0.push(stream);
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Stream> {
        let at = self.place(id)?;
        let stream = self.0.remove(at);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(stream)
    }

    /// Takes out those that are answered. Returns their numbers.
    pub(crate) fn take_answered(&mut self) -> Vec<u32> {
        self.0.extract_if(.., |stream| stream.is_answered).map(|stream| stream.id).collect()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.0.iter_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.0.iter()
    }

    fn place(&self, id: u32) -> Option<usize> {
        self.0.binary_search_by_key(&id, |stream| stream.id).ok()
    }
}
