//! Messages as gRPC frames them: one byte for compression, four for the length, then the message.
//!
//! A message may arrive in any number of pieces. Its length is checked against the limit before anything of it is kept.
//! One implementation for both ends.

use std::io::Read;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::read::GzDecoder;

use crate::payload::Outgoing;

/// Bytes in front of each message.
const HEAD_LEN: usize = 5;

/// Largest message that is read, in bytes, as it is on the wire and after it is unpacked. Equals Nacos's default
/// (`nacos.remote.server.grpc.sdk.max-inbound-message-size`; recorded: `conn-oversized`).
pub const MESSAGE_LEN_MAX: usize = 10 * 1024 * 1024;

/// Bodies above this size are sent as a frame of their own, so that they are not copied.
const COPY_MAX: usize = 8 * 1024;

/// Why a message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than [`MESSAGE_LEN_MAX`].
    #[error("gRPC message exceeds maximum size {MESSAGE_LEN_MAX}: {len}")]
    TooLong {
        /// How long it says it is.
        len: usize,
    },
    /// It says that it is compressed, and nobody said how.
    #[error("message is compressed in an unknown way")]
    UnknownCompression,
    /// It is not what it says it is.
    #[error("compressed message cannot be unpacked")]
    BrokenCompression,
    /// Its end did not arrive.
    #[error("message ends early")]
    Truncated,
}

/// How the sender compresses messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// With gzip, where a message says so.
    Gzip,
}

impl Compression {
    /// Reads the header `grpc-encoding`; `None` for one that is not known here.
    #[must_use]
    pub fn from_header(value: Option<&str>) -> Option<Self> {
        match value {
            None | Some("identity") => Some(Self::None),
            Some("gzip") => Some(Self::Gzip),
            Some(_) => None,
        }
    }
}

/// Puts messages together from the pieces in which they arrive.
#[derive(Debug)]
pub struct Reader {
    compression: Compression,
    received: BytesMut,
}

impl Reader {
    /// Nothing has arrived yet.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        Self { compression, received: BytesMut::new() }
    }

    /// Takes a piece and returns the message, if the piece is all of it and nothing else. Saves the copy in the common
    /// case.
    pub fn push(&mut self, piece: &Bytes) -> Option<Bytes> {
        if self.received.is_empty() && piece.len() >= HEAD_LEN && piece[0] == 0 {
            let len = (&piece[1..HEAD_LEN]).get_u32() as usize;
            if len == piece.len() - HEAD_LEN && len <= MESSAGE_LEN_MAX {
                return Some(piece.slice(HEAD_LEN..));
            }
        }
        self.received.extend_from_slice(piece);
        None
    }

    /// The next message that is complete; `None` if more must arrive.
    ///
    /// # Errors
    /// [`FrameError`] if what arrived is no message, or too long a one. Nothing after it can be read.
    pub fn next_message(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.received.len() < HEAD_LEN {
            return Ok(None);
        }
        let packed = match (self.received[0], self.compression) {
            (0, _) => false,
            (1, Compression::Gzip) => true,
            _ => return Err(FrameError::UnknownCompression),
        };
        let len = (&self.received[1..HEAD_LEN]).get_u32() as usize;
        if len > MESSAGE_LEN_MAX {
            return Err(FrameError::TooLong { len });
        }
        if self.received.len() < HEAD_LEN + len {
            // Room grows with what arrives, not with what was announced.
            return Ok(None);
        }
        self.received.advance(HEAD_LEN);
        let message = self.received.split_to(len).freeze();
        if packed { unpack(&message).map(Some) } else { Ok(Some(message)) }
    }
}

fn unpack(packed: &[u8]) -> Result<Bytes, FrameError> {
    let mut message = Vec::with_capacity(packed.len().saturating_mul(3).min(MESSAGE_LEN_MAX));
    let bounded = GzDecoder::new(packed).take(MESSAGE_LEN_MAX as u64 + 1).read_to_end(&mut message);
    match bounded {
        Ok(_) if message.len() > MESSAGE_LEN_MAX => Err(FrameError::TooLong { len: message.len() }),
        Ok(_) => Ok(message.into()),
        Err(_) => Err(FrameError::BrokenCompression),
    }
}

/// A message as it goes onto the wire: a small one in one piece, a large one without copying its body.
#[must_use]
pub fn pieces(outgoing: Outgoing) -> (Bytes, Option<Bytes>) {
    let len = outgoing.encoded_len();
    let copy = outgoing.body.len() <= COPY_MAX;
    let mut head = BytesMut::with_capacity(HEAD_LEN + if copy { len } else { len - outgoing.body.len() });
    head.put_u8(0);
    // No message of ours comes near 4 GiB; one that did would be cut off by the client.
    head.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
    if copy {
        outgoing.encode(&mut head);
        return (head.freeze(), None);
    }
    outgoing.encode_head(&mut head);
    (head.freeze(), Some(outgoing.body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression as Level;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        let mut out = vec![flag];
        out.put_u32(message.len() as u32);
        out.extend_from_slice(message);
        out
    }

    #[test]
    fn a_message_in_any_pieces_is_put_together() {
        let bytes = [framed(0, b"hello"), framed(0, b""), framed(0, b"world")].concat();
        for size in 1..=bytes.len() {
            let mut reader = Reader::new(Compression::None);
            let mut messages = Vec::new();
            for piece in bytes.chunks(size) {
                messages.extend(reader.push(&Bytes::copy_from_slice(piece)));
                while let Some(message) = reader.next_message().expect("good frames") {
                    messages.push(message);
                }
            }
            assert_eq!(messages, ["hello", "", "world"], "pieces of {size}");
        }
    }

    #[test]
    fn a_message_that_is_one_piece_is_not_copied() {
        let piece = Bytes::from(framed(0, b"hello"));
        let message = Reader::new(Compression::None).push(&piece).expect("the whole message");
        assert_eq!(message.as_ptr(), piece[HEAD_LEN..].as_ptr());
    }

    #[test]
    fn length_is_checked_before_the_message_arrives() {
        let mut reader = Reader::new(Compression::None);
        let mut head = vec![0];
        head.put_u32(MESSAGE_LEN_MAX as u32 + 1);
        reader.push(&head.into());
        assert_eq!(reader.next_message(), Err(FrameError::TooLong { len: MESSAGE_LEN_MAX + 1 }));
    }

    #[test]
    fn gzip_is_unpacked_within_the_limit() {
        let gzip = |message: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
            encoder.write_all(message).expect("memory takes it");
            encoder.finish().expect("memory takes it")
        };
        let mut reader = Reader::new(Compression::Gzip);
        reader.push(&framed(1, &gzip(b"hello")).into());
        assert_eq!(reader.next_message(), Ok(Some(Bytes::from_static(b"hello"))));
        reader.push(&framed(1, &gzip(&vec![0; MESSAGE_LEN_MAX + 1])).into());
        assert_eq!(reader.next_message(), Err(FrameError::TooLong { len: MESSAGE_LEN_MAX + 1 }));
        let mut reader = Reader::new(Compression::Gzip);
        reader.push(&framed(1, b"not gzip").into());
        assert_eq!(reader.next_message(), Err(FrameError::BrokenCompression));
    }

    #[test]
    fn compression_must_be_announced() {
        let mut reader = Reader::new(Compression::None);
        reader.push(&framed(1, b"x").into());
        assert_eq!(reader.next_message(), Err(FrameError::UnknownCompression));
    }
}
