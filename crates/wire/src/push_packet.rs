//! The packets of the push over UDP: a list on its way to a client of the first generation, and what the client sends
//! back (`reference/http.md`, 5.2 and 5.3).
//!
//! The type of a list is `dom`. No server sends the other two that clients know, `service` and `dump`; what answers them
//! is read all the same, because only the mark counts.

use std::borrow::Cow;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;

use crate::{json, lenient};

/// Packets of this many bytes and more are compressed as a whole. Some clients do not inflate, so shorter ones are not.
const GZIP_FROM: usize = 1024;

/// The most that one packet of UDP carries over IPv4.
pub const PACKET_LEN_MAX: usize = 65_507;

/// Writes the packet of a list, as HTTP shows it in v1. `mark` comes back in the acknowledgement; clients that read
/// numbers as JavaScript does keep 53 bits of it.
#[must_use]
pub fn dom(list: &[u8], mark: u64) -> Bytes {
    let mut plain = Vec::with_capacity(list.len() + list.len() / 4 + 64);
    plain.extend_from_slice(b"{\"type\":\"dom\",\"data\":");
    json::write(&mut plain, &*String::from_utf8_lossy(list));
    plain.extend_from_slice(b",\"lastRefTime\":");
    json::write(&mut plain, &mark);
    plain.push(b'}');
    if plain.len() < GZIP_FROM {
        return plain.into();
    }
    let mut packed = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    match packed.write_all(&plain).and_then(|()| packed.finish()) {
        Ok(packed) => packed.into(),
        // Memory does not fail to be written to; clients read a plain packet just as well.
        Err(_) => plain.into(),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AckBody<'a> {
    #[serde(borrow, rename = "lastRefTime", deserialize_with = "lenient::text")]
    mark: Option<Cow<'a, str>>,
}

/// The mark that an acknowledgement names, as text or as a number; `None` for what is no acknowledgement. Its type and its
/// data are not looked at, as in Nacos.
#[must_use]
pub fn acknowledged(packet: &[u8]) -> Option<u64> {
    json::read::<AckBody<'_>>(packet).ok()?.mark?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_short_list_is_sent_as_it_is() {
        let packet = dom(br#"{"name":"G@@a","hosts":[]}"#, 812_345_678_901_234);
        let json = r#"{"type":"dom","data":"{\"name\":\"G@@a\",\"hosts\":[]}","lastRefTime":812345678901234}"#;
        assert_eq!(packet, json.as_bytes());
    }

    #[test]
    fn a_long_packet_is_compressed_and_inflates_to_the_same() {
        let around = dom(b"", 7).len();
        for (len, is_packed) in [(GZIP_FROM - 1, false), (GZIP_FROM, true), (5000, true)] {
            let list = "x".repeat(len - around);
            let packet = dom(list.as_bytes(), 7);
            assert_eq!(packet.starts_with(&[0x1f, 0x8b]), is_packed, "{len}");
            let mut plain = Vec::new();
            if is_packed {
                GzDecoder::new(&packet[..]).read_to_end(&mut plain).expect("it inflates");
            } else {
                plain.extend_from_slice(&packet);
            }
            assert_eq!(plain, format!(r#"{{"type":"dom","data":"{list}","lastRefTime":7}}"#).as_bytes());
        }
    }

    #[test]
    fn an_acknowledgement_names_its_mark_as_text_or_number() {
        for (packet, mark) in [
            (r#"{"type":"push-ack","lastRefTime":"812345678901234","data":""}"#, Some(812_345_678_901_234)),
            (r#"{"type": "push-ack", "lastRefTime": 7, "data": ""}"#, Some(7)),
            (r#"{"type":"dump-ack","lastRefTime":"8","data":"{\"G@@a\":{}}"}"#, Some(8)),
            (r#"{"type":"unknown-ack","lastRefTime":"9","data":""}"#, Some(9)),
            (r#"{"lastRefTime":"10"}"#, Some(10)),
            (r#"{"lastRefTime":-1}"#, None),
            (r#"{"lastRefTime":1.5}"#, None),
            (r#"{"lastRefTime":"99999999999999999999"}"#, None),
            (r#"{"lastRefTime":null}"#, None),
            (r#"{"type":"push-ack"}"#, None),
            (r#"["push-ack"]"#, None),
            ("", None),
            ("hello", None),
            ("\u{1f}\u{8b}", None),
        ] {
            assert_eq!(acknowledged(packet.as_bytes()), mark, "{packet}");
        }
    }
}
