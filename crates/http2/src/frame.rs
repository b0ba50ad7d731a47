//! Frames: nine bytes of head, then the payload (RFC 9113, 4.1 and 6).

use bytes::{BufMut, BytesMut};

/// What a client sends first (RFC 9113, 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes in front of each payload.
pub(crate) const HEAD_LEN: usize = 9;

/// Bytes of payload that are read in one frame: what every endpoint takes, and all that this one does.
pub(crate) const PAYLOAD_LEN_MAX: usize = 16 * 1024;

/// The largest window, and the largest stream.
pub(crate) const U31_MAX: u32 = (1 << 31) - 1;

pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0x0;
    pub(crate) const HEADERS: u8 = 0x1;
    pub(crate) const PRIORITY: u8 = 0x2;
    pub(crate) const RST_STREAM: u8 = 0x3;
    pub(crate) const SETTINGS: u8 = 0x4;
    pub(crate) const PUSH_PROMISE: u8 = 0x5;
    pub(crate) const PING: u8 = 0x6;
    pub(crate) const GOAWAY: u8 = 0x7;
    pub(crate) const WINDOW_UPDATE: u8 = 0x8;
    pub(crate) const CONTINUATION: u8 = 0x9;
}

pub(crate) mod flag {
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

pub(crate) mod setting {
    pub(crate) const TABLE_LEN_MAX: u16 = 0x1;
    pub(crate) const ENABLE_PUSH: u16 = 0x2;
    pub(crate) const STREAMS_MAX: u16 = 0x3;
    pub(crate) const INITIAL_WINDOW: u16 = 0x4;
    pub(crate) const FRAME_LEN_MAX: u16 = 0x5;
    pub(crate) const HEADER_LIST_LEN_MAX: u16 = 0x6;
}

/// What a frame says about itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Head {
    pub(crate) len: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    /// The head at the beginning of `bytes`, if all of it is there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = bytes.first_chunk::<HEAD_LEN>()?;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & U31_MAX;
        Some(Self { len, kind, flags, stream })
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes the head of a frame. `len` is below 2^24: no frame of ours is longer than what the other end takes.
pub(crate) fn put_head(out: &mut BytesMut, len: usize, kind: u8, flags: u8, stream: u32) {
    out.put_uint(len as u64, 3);
    out.put_u8(kind);
    out.put_u8(flags);
    out.put_u32(stream);
}

/// The payload without its padding; `None` if there is more padding than payload.
pub(crate) fn unpadded(payload: &[u8], is_padded: bool) -> Option<&[u8]> {
    if !is_padded {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(padding))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_was_written_can_be_read() {
        let mut out = BytesMut::new();
        put_head(&mut out, 16_384, kind::DATA, flag::END_STREAM, 7);
        let head = Head::read(&out).expect("nine bytes");
        assert_eq!(head, Head { len: 16_384, kind: kind::DATA, flags: flag::END_STREAM, stream: 7 });
        assert_eq!(Head::read(&out[..8]), None);
    }

    #[test]
    fn padding_is_taken_off_and_never_more_than_is_there() {
        assert_eq!(unpadded(b"\x02abcd", true), Some(&b"ab"[..]));
        assert_eq!(unpadded(b"\x04abcd", true), Some(&b""[..]));
        assert_eq!(unpadded(b"\x05abcd", true), None);
        assert_eq!(unpadded(b"", true), None);
        assert_eq!(unpadded(b"abc", false), Some(&b"abc"[..]));
    }
}
