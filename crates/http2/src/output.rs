//! Bytes that wait for the socket. Short ones are put together, long ones are passed on as they are.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// Pieces from this length on are not copied.
const WHOLE_LEN_MIN: usize = 4 * 1024;

/// Room for a short answer: its head, message and trailers.
const FIRST_LEN: usize = 384;

#[derive(Debug, Default)]
pub(crate) struct Output {
    whole: VecDeque<Bytes>,
    /// Behind all others.
    tail: BytesMut,
    len: usize,
}

impl Output {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds what `write` writes.
    pub(crate) fn put(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if self.tail.capacity() == 0 {
            self.tail.reserve(FIRST_LEN);
        }
        let before = self.tail.len();
        write(&mut self.tail);
        self.len += self.tail.len() - before;
    }

    /// Adds a piece.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if piece.len() < WHOLE_LEN_MIN {
            return self.put(|tail| tail.extend_from_slice(&piece));
        }
        if !self.tail.is_empty() {
            self.whole.push_back(self.tail.split().freeze());
        }
        self.len += piece.len();
        self.whole.push_back(piece);
    }

    /// What is to be written next, at most as many slices as there is room for. Returns how many there are.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces =
            self.whole.iter().map(Bytes::as_ref).chain(Some(self.tail.as_ref()).filter(|tail| !tail.is_empty()));
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// So much was written.
    pub(crate) fn advance(&mut self, mut written: usize) {
        self.len -= written;
        while let Some(first) = self.whole.front_mut() {
            if written < first.len() {
                return first.advance(written);
            }
            written -= first.len();
            self.whole.pop_front();
        }
        self.tail.advance(written);
        if self.len == 0 {
            // A connection that has nothing to say holds nothing.
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(output: &mut Output, at_once: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while output.len() > 0 {
            let mut slices = [IoSlice::new(&[]); 2];
            let count = output.slices(&mut slices);
            let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
            let part = &all[..at_once.min(all.len())];
            written.extend_from_slice(part);
            output.advance(part.len());
        }
        written
    }

    #[test]
    fn what_is_put_in_comes_out_in_order_however_it_is_written() {
        let long = Bytes::from(vec![b'x'; WHOLE_LEN_MIN]);
        for at_once in [1, 7, 4096, 100_000] {
            let mut output = Output::default();
            output.put(|tail| tail.extend_from_slice(b"head"));
            output.push(long.clone());
            output.push(Bytes::from_static(b"short"));
            output.push(long.clone());
            output.put(|tail| tail.extend_from_slice(b"end"));
            let all = [b"head", &long[..], b"short", &long[..], b"end"].concat();
            assert_eq!(output.len(), all.len());
            assert_eq!(written(&mut output, at_once), all, "{at_once} at once");
        }
    }
}
