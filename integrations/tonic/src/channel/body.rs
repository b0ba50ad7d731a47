//! The answer of a call as it is being read. A call is over when its answer is read to the end or dropped: until then it is
//! counted as the endpoint's work, and its deadline goes on.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use nacrite_balance::code::Code;
use tonic::Status;

use super::attempts::Judge;
use super::call::{Alarm, Counted};
use super::failure;
use super::lengths::Lengths;
use super::outcome::{self, Attempt};

/// What is being read, and what ends with it.
#[derive(Debug)]
struct Open {
    incoming: Incoming,
    attempt: Attempt,
    counted: Option<Counted>,
    alarm: Alarm,
    lengths: Option<Lengths>,
}

/// The messages and trailers of an answer, as they come. [`Default`] is an answer that is over, as tonic's interceptors give
/// it in place of one that they do not let through.
#[derive(Debug, Default)]
pub struct ResponseBody {
    /// `None` when the call is over. What comes in is let go of then: it would keep the connection from closing, and if there
    /// is more to come the endpoint is told that nobody wants it.
    open: Option<Open>,
}

impl ResponseBody {
    /// The body of an answer that has begun. One that is nothing but a status is over with that.
    pub(super) fn of(response: Response<Incoming>, attempt: Attempt) -> Response<Self> {
        let (head, incoming) = response.into_parts();
        let open = if incoming.is_end_stream() || outcome::status(&head.headers).is_some() {
            attempt.ended_with(&head.headers);
            None
        } else {
            Some(Open { incoming, attempt, counted: None, alarm: None, lengths: None })
        };
        Response::from_parts(head, Self { open })
    }

    /// Goes on counting the call, and goes on with its deadline.
    pub(super) fn hold(&mut self, counted: Counted, alarm: Alarm) {
        if let Some(open) = &mut self.open {
            (open.counted, open.alarm) = (Some(counted), alarm);
        }
    }

    /// Messages are no longer.
    pub(super) fn limit(&mut self, length_max: u32) {
        if let Some(open) = &mut self.open {
            open.lengths = Some(Lengths::new(length_max));
        }
    }

    /// How the call ends is told to this.
    pub(super) fn judge(&mut self, judge: Judge) {
        if let Some(open) = &mut self.open {
            open.attempt.judge(judge);
        }
    }

    fn close(&mut self, end: impl FnOnce(Attempt)) {
        if let Some(Open { attempt, .. }) = self.open.take() {
            end(attempt);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(open) = &mut self.open else { return Poll::Ready(None) };
        let polled = Pin::new(&mut open.incoming).poll_frame(cx);
        if polled.is_pending() {
            let Some(alarm) = &mut open.alarm else { return Poll::Pending };
            ready!(alarm.as_mut().poll(cx));
            self.close(|attempt| attempt.ended(Code::DeadlineExceeded));
            return Poll::Ready(Some(Err(super::call::deadline_exceeded())));
        }
        Poll::Ready(match ready!(polled) {
            Some(Ok(frame)) => {
                if let (Some(lengths), Some(bytes)) = (&mut open.lengths, frame.data_ref())
                    && let Err(status) = lengths.check(bytes)
                {
                    self.close(Attempt::ended_unnoticed);
                    return Poll::Ready(Some(Err(status)));
                }
                if let Some(trailers) = frame.trailers_ref() {
                    self.close(|attempt| attempt.ended_with(trailers));
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let status = failure::status_of(&error, &open.attempt.lane().endpoint);
                let code = Code::from_number(status.code() as u64).unwrap_or(Code::Unknown);
                self.close(|attempt| attempt.ended(code));
                Some(Err(status))
            }
            None => {
                // An end without a status is no end of gRPC.
                self.close(|attempt| attempt.ended(Code::Unknown));
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.open.as_ref().map_or_else(|| SizeHint::with_exact(0), |open| open.incoming.size_hint())
    }
}
