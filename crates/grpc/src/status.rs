//! How a call or a stream ended, in gRPC's words.

use std::sync::LazyLock;

use nacrite_http2::HeaderBlock;
use nacrite_wire::frame::FrameError;

const CONTENT_TYPE: (&str, &str) = ("content-type", "application/grpc");

/// The head of every response.
static OPEN: LazyLock<HeaderBlock> = LazyLock::new(|| HeaderBlock::response(&[CONTENT_TYPE]));

/// How nearly every call ends.
static OK: LazyLock<HeaderBlock> = LazyLock::new(|| Status::OK.fields(HeaderBlock::trailers, &[]));

/// How a call or a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    code: u8,
    message: String,
}

impl Status {
    pub(crate) const OK: Self = Self { code: 0, message: String::new() };

    pub(crate) fn unknown(message: &str) -> Self {
        Self { code: 2, message: message.to_owned() }
    }

    pub(crate) fn exhausted(message: &str) -> Self {
        Self { code: 8, message: message.to_owned() }
    }

    pub(crate) fn unimplemented(message: String) -> Self {
        Self { code: 12, message }
    }

    pub(crate) fn internal(message: String) -> Self {
        Self { code: 13, message }
    }

    pub(crate) fn unavailable(message: &str) -> Self {
        Self { code: 14, message: message.to_owned() }
    }

    /// What is told behind everything that was sent.
    pub(crate) fn trailers(&self) -> HeaderBlock {
        if *self == Self::OK { OK.clone() } else { self.fields(HeaderBlock::trailers, &[]) }
    }

    /// A response that is nothing but this status.
    pub(crate) fn alone(&self) -> HeaderBlock {
        self.fields(HeaderBlock::response, &[CONTENT_TYPE])
    }

    fn fields(&self, block: fn(&[(&str, &str)]) -> HeaderBlock, first: &[(&str, &str)]) -> HeaderBlock {
        let code = self.code.to_string();
        let message = percent_encoded(&self.message);
        let said = [("grpc-status", &*code), ("grpc-message", &*message)];
        let said = if message.is_empty() { &said[..1] } else { &said[..] };
        block(&[first, said].concat())
    }
}

impl From<FrameError> for Status {
    fn from(error: FrameError) -> Self {
        let message = error.to_string();
        match error {
            FrameError::TooLong { .. } => Self { code: 8, message },
            _ => Self::internal(message),
        }
    }
}

/// The head of every response.
pub(crate) fn open() -> &'static HeaderBlock {
    &OPEN
}

/// A text as gRPC puts it into a header.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_message_is_fit_for_a_header() {
        let told = Status::unknown("100 % schön\n").trailers();
        let wanted = [("grpc-status", "2"), ("grpc-message", "100 %25 sch%C3%B6n%0A")];
        assert_eq!(told, HeaderBlock::trailers(&wanted));
    }

    #[test]
    fn a_call_that_went_well_has_no_message() {
        assert_eq!(Status::OK.trailers(), HeaderBlock::trailers(&[("grpc-status", "0")]));
    }
}
