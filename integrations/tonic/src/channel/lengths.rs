//! Messages that are longer than the service config allows: found by their heads, before they are read or sent whole.
//!
//! A call without such a bound does not come here.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// Bytes in front of each message: one says whether it is compressed, four how long it is.
const HEAD_LEN: usize = 5;

/// Watches the lengths of messages as their bytes go by.
#[derive(Debug)]
pub(super) struct Lengths {
    max: u32,
    head: [u8; HEAD_LEN],
    head_len: usize,
    /// Bytes of the present message that are still to come.
    rest_len: u64,
}

impl Lengths {
    pub(super) fn new(max: u32) -> Self {
        Self { max, head: [0; HEAD_LEN], head_len: 0, rest_len: 0 }
    }

    /// Looks at the next bytes.
    ///
    /// # Errors
    /// A message begins in them that is too long.
    pub(super) fn check(&mut self, mut bytes: &[u8]) -> Result<(), Status> {
        while !bytes.is_empty() {
            let skipped = usize::try_from(self.rest_len).unwrap_or(usize::MAX).min(bytes.len());
            self.rest_len -= skipped as u64;
            bytes.advance(skipped);
            let taken = (HEAD_LEN - self.head_len).min(bytes.len());
            self.head[self.head_len..self.head_len + taken].copy_from_slice(&bytes[..taken]);
            self.head_len += taken;
            bytes.advance(taken);
            if self.head_len == HEAD_LEN {
                let [_, length @ ..] = self.head;
                let length = u32::from_be_bytes(length);
                (self.head_len, self.rest_len) = (0, u64::from(length));
                if length > self.max {
                    return Err(too_long(length, self.max));
                }
            }
        }
        Ok(())
    }
}

fn too_long(length: u32, max: u32) -> Status {
    Status::resource_exhausted(format!("a message has {length} bytes, and the service config allows {max}"))
}

/// A request whose messages are watched.
#[derive(Debug)]
struct Watched {
    body: Body,
    lengths: Lengths,
    found: Arc<AtomicU32>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
            && let Err(status) = self.lengths.check(bytes)
        {
            let length = u32::try_from(self.lengths.rest_len).unwrap_or(u32::MAX);
            self.found.store(length, Ordering::Relaxed);
            return Poll::Ready(Some(Err(status)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether a request turned out to be too long: HTTP/2 would say no more than that the stream was reset.
#[derive(Debug)]
pub(super) struct Verdict {
    max: u32,
    found: Arc<AtomicU32>,
}

impl Verdict {
    /// What the caller is told: that his message is too long, if that is why the call failed.
    pub(super) fn of(&self, failed: Status) -> Status {
        match self.found.load(Ordering::Relaxed) {
            0 => failed,
            length => too_long(length, self.max),
        }
    }
}

/// Watches the messages of a request.
pub(super) fn watched(body: Body, max: u32) -> (Body, Verdict) {
    let found = Arc::<AtomicU32>::default();
    let verdict = Verdict { max, found: Arc::clone(&found) };
    (Body::new(Watched { body, lengths: Lengths::new(max), found }), verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether messages of these lengths pass, wherever their bytes are cut.
    fn passes(max: u32, lengths: &[u32]) -> bool {
        let mut bytes = Vec::new();
        for length in lengths {
            bytes.push(0);
            bytes.extend(length.to_be_bytes());
            bytes.extend(vec![0xff; *length as usize]);
        }
        let all = Lengths::new(max).check(&bytes).is_ok();
        for size in 1..=bytes.len() {
            let mut watching = Lengths::new(max);
            let chunked = bytes.chunks(size).all(|chunk| watching.check(chunk).is_ok());
            assert_eq!(chunked, all, "in pieces of {size}");
        }
        all
    }

    #[test]
    fn the_longest_message_decides() {
        assert!(passes(10, &[]));
        assert!(passes(10, &[10, 0, 10, 3]));
        assert!(!passes(10, &[10, 11]));
        assert!(!passes(0, &[1]));
        assert!(passes(0, &[0, 0]));
    }
}
