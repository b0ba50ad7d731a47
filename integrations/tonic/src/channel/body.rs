//! The answer of a call as it is being read. A call is over when its answer is read to the end or dropped: until then it is
//! counted as the endpoint's work, and its deadline goes on.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use nacrite_balance::endpoint::InFlight;
use tokio::time::Sleep;
use tonic::Status;

use super::call::Counted;
use super::failure;
use super::view::Lane;

/// What is given back when a call is over.
#[derive(Debug)]
struct Open {
    lane: Arc<Lane>,
    _in_flight: InFlight,
    counted: Option<Counted>,
}

/// The messages and trailers of an answer, as they come.
#[derive(Debug)]
pub struct ResponseBody {
    /// `None` when the call is over.
    incoming: Option<Incoming>,
    open: Option<Open>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, lane: Arc<Lane>, in_flight: InFlight) -> Self {
        let open = (!incoming.is_end_stream()).then_some(Open { lane, _in_flight: in_flight, counted: None });
        Self { incoming: Some(incoming), open, deadline: None }
    }

    /// Goes on counting the call, and goes on with its deadline.
    pub(super) fn hold(&mut self, counted: Counted, deadline: Option<Pin<Box<Sleep>>>) {
        if let Some(open) = &mut self.open {
            open.counted = Some(counted);
            self.deadline = deadline;
        }
    }

    /// The call is over. What comes in is let go of too: it would keep the connection from closing, and if there is more to
    /// come the endpoint is told that nobody wants it.
    fn close(&mut self) {
        self.incoming = None;
        self.open = None;
        self.deadline = None;
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let polled = Pin::new(incoming).poll_frame(cx);
        if polled.is_pending() {
            let Some(deadline) = &mut self.deadline else { return Poll::Pending };
            ready!(deadline.as_mut().poll(cx));
            self.close();
            return Poll::Ready(Some(Err(super::call::deadline_exceeded())));
        }
        Poll::Ready(match ready!(polled) {
            Some(Ok(frame)) => {
                if frame.is_trailers() {
                    self.close();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let endpoint = self.open.take().map(|open| Arc::clone(&open.lane.endpoint));
                self.close();
                let endpoint: &dyn std::fmt::Display = endpoint.as_deref().map_or(&"its endpoint", |known| known);
                Some(Err(failure::status_of(&error, endpoint)))
            }
            None => {
                self.close();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
