//! Bodies of answers: whole, inflated, and never larger than agreed.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::error::Error;
use crate::server::ServerAddress;

/// The largest body that is taken, before and after inflating: a config of 10 MiB, the largest that servers keep, and some
/// space around it.
const BODY_LEN_MAX: usize = 16 * 1024 * 1024;

/// How gzip begins.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why a body is not there.
#[derive(Debug)]
pub(super) enum Lost {
    /// The connection broke in the middle of it, or it is too large.
    Broken(String),
    /// It is not what its headers say.
    Unreadable(String),
}

impl Lost {
    pub(super) fn at(self, server: &ServerAddress) -> Error {
        match self {
            Self::Broken(why) => Error::Broken(format!("{server}: {why}")),
            Self::Unreadable(why) => Error::Undecodable(format!("{server}: {why}")),
        }
    }
}

/// Reads the body that goes with `headers`.
///
/// # Errors
/// [`Lost`].
pub(super) async fn read(headers: &HeaderMap, body: Incoming) -> Result<Bytes, Lost> {
    let read = Limited::new(body, BODY_LEN_MAX).collect().await;
    let bytes = read.map_err(|e| Lost::Broken(e.to_string()))?.to_bytes();
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes());
    match encoding {
        None | Some(b"" | b"identity") => Ok(bytes),
        Some(encoding) if encoding.eq_ignore_ascii_case(b"gzip") => gunzip(&bytes, BODY_LEN_MAX).map(Bytes::from),
        Some(_) => Err(Lost::Unreadable("the body is compressed in a way that was not asked for".into())),
    }
}

/// Inflates gzip to at most `len_max` bytes.
///
/// # Errors
/// [`Lost::Unreadable`] if it is broken, or would become larger.
pub(super) fn gunzip(bytes: &[u8], len_max: usize) -> Result<Vec<u8>, Lost> {
    let mut out = Vec::new();
    let limit = u64::try_from(len_max).unwrap_or(u64::MAX).saturating_add(1);
    let inflated = GzDecoder::new(bytes).take(limit).read_to_end(&mut out);
    inflated.map_err(|e| Lost::Unreadable(format!("gzip is broken: {e}")))?;
    if out.len() > len_max {
        return Err(Lost::Unreadable(format!("more than {len_max} bytes")));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn gzip_is_inflated_up_to_its_bound() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&[7; 100]).expect("memory takes it");
        let packed = encoder.finish().expect("memory takes it");
        assert_eq!(gunzip(&packed, 100).expect("whole"), [7; 100]);
        assert!(matches!(gunzip(&packed, 99), Err(Lost::Unreadable(_))), "larger than agreed");
        assert!(matches!(gunzip(&packed[..10], 100), Err(Lost::Unreadable(_))), "cut off");
        assert!(matches!(gunzip(b"plain", 100), Err(Lost::Unreadable(_))), "no gzip at all");
    }
}
