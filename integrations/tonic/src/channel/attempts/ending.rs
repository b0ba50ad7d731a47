//! What came of an attempt: an answer that began, or an end after which another attempt may follow.

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode};
use nacrite_balance::attempt::{Ended, PUSHBACK_HEADER, Pushback};
use nacrite_balance::code::{Code, Codes};
use nacrite_balance::throttle::Throttle;
use tonic::Status;

use crate::channel::body::ResponseBody;
use crate::channel::failure::AttemptFailure;
use crate::channel::outcome;

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Ending {
    /// Headers came; messages follow. The call is bound to this attempt.
    Began(Response<ResponseBody>),
    /// It is over. The caller gets the result if nothing else follows.
    Over(Ended, Result<Response<ResponseBody>, Status>),
}

impl Ending {
    pub(super) fn of(result: Result<Response<ResponseBody>, Box<AttemptFailure>>) -> Self {
        match result {
            Ok(response) => match status_of(&response) {
                None => Self::Began(response),
                Some(code) => {
                    let ended = Ended { pushback: pushback(response.headers()), ..Ended::with(code) };
                    Self::Over(ended, Ok(response))
                }
            },
            Err(failure) => {
                let code = Code::from_number(failure.status.code() as u64).unwrap_or(Code::Unknown);
                Self::Over(Ended { reach: failure.reach, ..Ended::with(code) }, Err(failure.status))
            }
        }
    }

    /// The time for one attempt was over.
    pub(super) fn timed_out() -> Self {
        let status = Status::deadline_exceeded("no endpoint answered within the time for an attempt");
        Self::Over(Ended { has_timed_out: true, ..Ended::with(Code::DeadlineExceeded) }, Err(status))
    }
}

/// The status of an answer that is over with its headers; `None` if messages or trailers follow.
fn status_of(response: &Response<ResponseBody>) -> Option<Code> {
    outcome::status(response.headers()).or_else(|| of_http(response.status()))
}

/// What it means if something answers that is no server of gRPC but stands before it (gRPC's mapping of HTTP statuses).
fn of_http(status: StatusCode) -> Option<Code> {
    match status {
        StatusCode::OK => None,
        StatusCode::BAD_REQUEST => Some(Code::Internal),
        StatusCode::UNAUTHORIZED => Some(Code::Unauthenticated),
        StatusCode::FORBIDDEN => Some(Code::PermissionDenied),
        StatusCode::NOT_FOUND => Some(Code::Unimplemented),
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Some(Code::Unavailable),
        _ => Some(Code::Unknown),
    }
}

/// What a server says about coming back.
fn pushback(headers: &HeaderMap) -> Pushback {
    Pushback::parse(headers.get_all(PUSHBACK_HEADER).iter().map(http::HeaderValue::as_bytes))
}

/// Tells the throttle how a call ended whose answer had begun.
#[derive(Debug)]
pub(crate) struct Judge {
    throttle: Arc<Throttle>,
    /// Statuses that speak against the service.
    counts: Codes,
}

impl Judge {
    pub(super) fn new(throttle: &Arc<Throttle>, counts: Codes) -> Self {
        Self { throttle: Arc::clone(throttle), counts }
    }

    /// The answer ended with this status, and with these trailers if there were any.
    pub(crate) fn ended(self, code: Code, trailers: Option<&HeaderMap>) {
        if code == Code::Ok {
            self.throttle.succeeded();
        } else if self.counts.contains(code) || trailers.map(pushback) == Some(Pushback::Never) {
            self.throttle.failed();
        }
    }
}
