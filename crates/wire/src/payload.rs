//! The envelope of everything on gRPC: `Payload { metadata { type, headers, clientIp }, body { value } }`
//! (`reference/grpc.md`, 1.1).
//!
//! Read and written by hand, because a body must never be copied: what is read borrows from the received message, what
//! is written goes out as a head and the body's own bytes. Unknown fields are skipped, as protobuf asks for.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

/// Bytes of the longest number.
const VARINT_LEN_MAX: usize = 10;

/// Why bytes are not a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The bytes end inside a field.
    #[error("the message ends inside a field")]
    Truncated,
    /// A wire type that protobuf no longer has, or a number that is too long.
    #[error("the message is no protobuf")]
    Malformed,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
}

/// A received envelope. Everything borrows from the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The type name of the body, exact and case-sensitive.
    pub wire_type: &'a str,
    /// Request headers, in order; names may repeat, the last one counts.
    pub headers: SmallVec<[(&'a str, &'a str); 4]>,
    /// What the sender believes its address to be.
    pub client_ip: &'a str,
    /// JSON.
    pub body: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Reads an envelope. Missing parts are empty.
    ///
    /// # Errors
    /// [`PayloadError`] if the bytes are no envelope.
    pub fn decode(message: &'a [u8]) -> Result<Self, PayloadError> {
        let mut payload = Self::default();
        let mut fields = Fields(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (2, Value::Bytes(metadata)) => payload.read_metadata(metadata)?,
                (3, Value::Bytes(any)) => {
                    let mut fields = Fields(any);
                    while let Some((number, value)) = fields.next()? {
                        if let (2, Value::Bytes(body)) = (number, value) {
                            payload.body = body;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(payload)
    }

    fn read_metadata(&mut self, metadata: &'a [u8]) -> Result<(), PayloadError> {
        let mut fields = Fields(metadata);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (3, Value::Bytes(name)) => self.wire_type = text(name)?,
                (7, Value::Bytes(entry)) => {
                    let (mut key, mut header) = ("", "");
                    let mut fields = Fields(entry);
                    while let Some((number, value)) = fields.next()? {
                        match (number, value) {
                            (1, Value::Bytes(k)) => key = text(k)?,
                            (2, Value::Bytes(v)) => header = text(v)?,
                            _ => {}
                        }
                    }
                    self.headers.push((key, header));
                }
                (8, Value::Bytes(ip)) => self.client_ip = text(ip)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The value of a header. Names are exact, as for Nacos (recorded: `auth-token-forms`).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

fn text(bytes: &[u8]) -> Result<&str, PayloadError> {
    std::str::from_utf8(bytes).map_err(|_| PayloadError::NotUtf8)
}

enum Value<'a> {
    Bytes(&'a [u8]),
    Skipped,
}

/// The fields of one protobuf message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, PayloadError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => {
                self.varint()?;
                Value::Skipped
            }
            1 => self.take(8).map(|_| Value::Skipped)?,
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| PayloadError::Truncated)?;
                Value::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Value::Skipped)?,
            _ => return Err(PayloadError::Malformed),
        };
        Ok(Some((key >> 3, value)))
    }

    fn varint(&mut self) -> Result<u64, PayloadError> {
        let mut value = 0u64;
        for (at, byte) in self.0.iter().enumerate().take(VARINT_LEN_MAX) {
            value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(at).unwrap_or(u32::MAX)).unwrap_or(0);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.0.len() < VARINT_LEN_MAX { PayloadError::Truncated } else { PayloadError::Malformed })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], PayloadError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(PayloadError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Something to send: a type name and a JSON body that may be shared with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The type name of the body.
    pub wire_type: &'static str,
    /// The sender's address; requests of the server carry it, answers do not (`reference/grpc.md`, 1.3).
    pub client_ip: Option<Arc<str>>,
    /// Requests of a client carry what proves who it is here; nothing else has any.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Bytes,
}

impl Outgoing {
    /// An answer.
    #[must_use]
    pub fn answer(wire_type: &'static str, body: Bytes) -> Self {
        Self { wire_type, client_ip: None, headers: Vec::new(), body }
    }

    /// A request of a server or a client.
    #[must_use]
    pub fn request(wire_type: &'static str, client_ip: Arc<str>, body: Bytes) -> Self {
        Self { wire_type, client_ip: Some(client_ip), headers: Vec::new(), body }
    }

    /// Bytes of the message.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let (metadata, any) = self.inner_lens();
        1 + varint_len(metadata) + metadata + 1 + varint_len(any) + any
    }

    /// Writes the message. The body comes last, so its bytes follow everything else.
    pub fn encode(&self, out: &mut BytesMut) {
        self.encode_head(out);
        out.put_slice(&self.body);
    }

    /// Writes everything but the bytes of the body, which must follow.
    pub fn encode_head(&self, out: &mut BytesMut) {
        let (metadata, any) = self.inner_lens();
        out.put_u8(2 << 3 | 2);
        put_varint(out, metadata);
        put_text(out, 3, self.wire_type);
        for (key, value) in &self.headers {
            out.put_u8(7 << 3 | 2);
            put_varint(out, text_len(key) + text_len(value));
            put_text(out, 1, key);
            put_text(out, 2, value);
        }
        if let Some(ip) = &self.client_ip {
            put_text(out, 8, ip);
        }
        out.put_u8(3 << 3 | 2);
        put_varint(out, any);
        out.put_u8(2 << 3 | 2);
        put_varint(out, self.body.len());
    }

    fn inner_lens(&self) -> (usize, usize) {
        let header_len = |(key, value): &(String, String)| {
            let entry = text_len(key) + text_len(value);
            1 + varint_len(entry) + entry
        };
        let headers: usize = self.headers.iter().map(header_len).sum();
        let metadata = text_len(self.wire_type) + headers + self.client_ip.as_deref().map_or(0, text_len);
        let any = 1 + varint_len(self.body.len()) + self.body.len();
        (metadata, any)
    }
}

fn put_text(out: &mut BytesMut, number: u8, text: &str) {
    out.put_u8(number << 3 | 2);
    put_varint(out, text.len());
    out.put_slice(text.as_bytes());
}

/// Bytes of a text with its field's number.
fn text_len(text: &str) -> usize {
    1 + varint_len(text.len()) + text.len()
}

fn put_varint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "the low seven bits")]
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
    out.put_u8(value as u8);
}

fn varint_len(value: usize) -> usize {
    let bits = usize::BITS - value.leading_zeros();
    (bits.max(1) as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(outgoing: &Outgoing) -> BytesMut {
        let mut out = BytesMut::new();
        outgoing.encode(&mut out);
        assert_eq!(out.len(), outgoing.encoded_len());
        out
    }

    #[test]
    fn what_is_written_can_be_read() {
        let sent = Outgoing {
            wire_type: "HealthCheckRequest",
            client_ip: Some("10.0.0.1".into()),
            headers: vec![("accessToken".into(), "t".repeat(200)), (String::new(), "schön".into())],
            body: Bytes::from(vec![b'x'; 300]),
        };
        let message = written(&sent);
        let read = Payload::decode(&message).expect("our own message");
        assert_eq!((read.wire_type, read.client_ip, read.body), ("HealthCheckRequest", "10.0.0.1", &sent.body[..]));
        let headers = sent.headers.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        assert!(read.headers.iter().copied().eq(headers), "{:?}", read.headers);
    }

    #[test]
    fn an_empty_message_is_an_empty_payload() {
        assert_eq!(Payload::decode(&[]), Ok(Payload::default()));
    }

    #[test]
    fn headers_are_read_and_the_last_of_a_name_counts() {
        // metadata { headers { "k": "1" } headers { "k": "2" } }
        let message = b"\x12\x10\x3a\x06\x0a\x01k\x12\x011\x3a\x06\x0a\x01k\x12\x012";
        let read = Payload::decode(message).expect("a payload");
        assert_eq!(read.header("k"), Some("2"));
        assert_eq!(read.header("K"), None);
    }

    #[test]
    fn unknown_fields_are_skipped() {
        // field 1 as varint, 9 as fixed32, 10 as fixed64, then the type.
        let message = b"\x08\x96\x01\x4d1234\x5112345678\x12\x03\x1a\x01T";
        assert_eq!(Payload::decode(message).map(|p| p.wire_type), Ok("T"));
    }

    #[test]
    fn broken_bytes_are_refused() {
        for (message, error) in [
            (&b"\x12"[..], PayloadError::Truncated),
            (b"\x12\x05ab", PayloadError::Truncated),
            (b"\x17", PayloadError::Malformed),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", PayloadError::Malformed),
            (b"\x12\x03\x1a\x01\xff", PayloadError::NotUtf8),
        ] {
            assert_eq!(Payload::decode(message), Err(error), "{message:?}");
        }
    }
}
