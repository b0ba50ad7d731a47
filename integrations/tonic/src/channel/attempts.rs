//! The attempts of a call: what the service config says about its method is carried out here.
//!
//! What is decided is decided by `nacrite_balance::{retry, hedge}`; what is here sends, waits and keeps the request
//! (`replay`). An answer whose headers came is the caller's: only one that is over with its headers may be followed by
//! another attempt. The deadline of the call lies around all of it.

mod ending;
mod hedged;
mod replay;
mod retried;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version};
use nacrite_balance::attempt::PREVIOUS_ATTEMPTS_HEADER;
use nacrite_balance::code::Codes;
use nacrite_balance::service_config::Recovery;
use nacrite_balance::throttle::Throttle;
use tokio::time::timeout_at;
use tonic::Status;
use tonic::body::Body;

use super::Shared;
use super::body::ResponseBody;
use super::call::CallContext;
use crate::clock;
use ending::Ending;
use replay::{Lease, Replay};

pub(super) use ending::Judge;
pub(super) use replay::Budget;

/// Tells a server how many attempts there were before.
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static(PREVIOUS_ATTEMPTS_HEADER);

/// Carries out a call by as many attempts as it takes.
///
/// # Errors
/// What the caller is told.
pub(super) async fn run(
    shared: &Shared,
    call: &CallContext,
    request: Request<Body>,
) -> Result<Response<ResponseBody>, Status> {
    let (head, body) = request.into_parts();
    let replay = Replay::new(body, Arc::clone(&shared.kept));
    let attempts = Attempts { shared, call, headers: head.headers, replay };
    match call.method.as_ref().map(|method| &method.recovery) {
        None | Some(Recovery::None) => retried::run(&attempts, None).await,
        Some(Recovery::Retry(policy)) => retried::run(&attempts, Some(policy)).await,
        Some(Recovery::Hedge(policy)) => hedged::run(&attempts, policy).await,
    }
}

/// What all attempts of a call have in common.
struct Attempts<'a> {
    shared: &'a Shared,
    call: &'a CallContext,
    headers: HeaderMap,
    replay: Replay,
}

impl Attempts<'_> {
    fn throttle(&self) -> Option<&Throttle> {
        self.call.rules.throttle.as_deref()
    }

    /// Makes one attempt, with so many before it. It may take no longer than `within`.
    async fn make(&self, number: u32, previous: u32, within: Option<Duration>) -> (Lease, Ending) {
        let (body, lease) = self.replay.open(number);
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.headers.clone();
        if previous > 0 {
            request.headers_mut().insert(PREVIOUS_ATTEMPTS, HeaderValue::from(previous));
        }
        self.call.tell_time_left(number, request.headers_mut());
        let ending = match within.and_then(|within| clock::now().checked_add(within)) {
            None => Ending::of(self.shared.attempt(self.call, request, self.call.deadline).await),
            Some(until) => match timeout_at(until, self.shared.attempt(self.call, request, Some(until))).await {
                Ok(result) => Ending::of(result),
                Err(_) => Ending::timed_out(),
            },
        };
        // Before the lease ends: whoever has answered goes on.
        if matches!(ending, Ending::Began(_)) {
            self.replay.bind(number);
        }
        (lease, ending)
    }

    /// The caller gets the answer of this attempt; how it ends counts for the throttle.
    fn chosen(&self, number: u32, mut response: Response<ResponseBody>, counts: Codes) -> Response<ResponseBody> {
        debug_assert_eq!(self.replay.bound(), Some(number), "the attempt that answered is the one that goes on");
        if let Some(throttle) = &self.call.rules.throttle {
            response.body_mut().judge(Judge::new(throttle, counts));
        }
        response
    }
}
