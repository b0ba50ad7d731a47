//! Why a connection or a stream is given up (RFC 9113, 7).

use std::fmt;

/// A code of `RST_STREAM` and `GOAWAY`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Nothing went wrong.
    NoError,
    /// The other end broke a rule.
    ProtocolError,
    /// It sent more than it was allowed to.
    FlowControlError,
    /// It sent something on a stream that is over.
    StreamClosed,
    /// A frame has a length that it cannot have.
    FrameSizeError,
    /// The stream was not looked at; the call may be tried again.
    RefusedStream,
    /// The call is no longer wanted.
    Cancel,
    /// Header fields cannot be unpacked; neither can any after them.
    CompressionError,
    /// It asks for more than is reasonable.
    EnhanceYourCalm,
}

impl Reason {
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::NoError => 0x0,
            Self::ProtocolError => 0x1,
            Self::FlowControlError => 0x3,
            Self::StreamClosed => 0x5,
            Self::FrameSizeError => 0x6,
            Self::RefusedStream => 0x7,
            Self::Cancel => 0x8,
            Self::CompressionError => 0x9,
            Self::EnhanceYourCalm => 0xb,
        }
    }
}

/// What ends a connection. The other end is told by a `GOAWAY` that stands in the output already.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Fault {
    /// In HTTP/2's word.
    pub reason: Reason,
    /// In words, for a log.
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.what, self.reason)
    }
}

impl Fault {
    pub(crate) const fn new(reason: Reason, what: &'static str) -> Self {
        Self { reason, what }
    }

    pub(crate) const fn protocol(what: &'static str) -> Self {
        Self::new(Reason::ProtocolError, what)
    }
}
