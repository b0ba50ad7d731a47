//! Why a call could not be carried out, and how far it came: what may be tried again depends on it.

use hyper::client::conn::TrySendError;
use nacrite_balance::attempt::Reach;
use tonic::body::Body;
use tonic::{Code, Status};

/// An attempt that failed without an answer.
#[derive(Debug)]
pub(crate) struct AttemptFailure {
    /// What the caller is told if it is not tried again.
    pub(crate) status: Status,
    pub(crate) reach: Reach,
}

impl AttemptFailure {
    /// There was nobody to send it to, or it may not be sent.
    pub(crate) fn unsent(status: Status) -> Box<Self> {
        Box::new(Self { status, reach: Reach::Other })
    }

    /// The connection to `endpoint` did not take it, or broke before the answer.
    pub(crate) fn of_sending(
        mut error: TrySendError<http::Request<Body>>,
        endpoint: &dyn std::fmt::Display,
    ) -> Box<Self> {
        // A request that comes back whole has not left.
        let has_come_back = error.take_message().is_some();
        let error = error.into_error();
        let reach = if has_come_back { Reach::NeverLeft } else { reach_of(&error) };
        Box::new(Self { status: status_of(&error, endpoint), reach })
    }
}

/// The reason that HTTP/2 gives, if it gives one.
fn http2_reason(error: &hyper::Error) -> Option<&h2::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

fn reach_of(error: &hyper::Error) -> Reach {
    match http2_reason(error) {
        Some(h2) if h2.is_remote() && h2.reason() == Some(h2::Reason::REFUSED_STREAM) => Reach::Unprocessed,
        // Calls that the endpoint's goodbye covers get their answer; this one came after it.
        Some(h2) if h2.is_remote() && h2.is_go_away() => Reach::Unprocessed,
        _ => Reach::Other,
    }
}

/// What happened, in gRPC's words (its mapping of HTTP/2 errors). A connection that broke is `UNAVAILABLE`.
pub(super) fn status_of(error: &hyper::Error, endpoint: &dyn std::fmt::Display) -> Status {
    let h2 = http2_reason(error);
    let code = match h2.filter(|h2| h2.is_reset()).and_then(h2::Error::reason) {
        None | Some(h2::Reason::REFUSED_STREAM) => Code::Unavailable,
        Some(h2::Reason::CANCEL) => Code::Cancelled,
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(h2::Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        Some(_) => Code::Internal,
    };
    Status::new(code, format!("the call to {endpoint} broke: {}", in_words(error)))
}

/// An error with what caused it: hyper's own words stop before the reason.
fn in_words(error: &hyper::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
