//! A call that is sent several times without waiting for failures; the first answer counts.
//!
//! All attempts run within the future of the call: whoever drops it cancels them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::Response;
use nacrite_balance::hedge::{Hedge, HedgingPolicy, Then};
use tonic::Status;

use super::ending::Ending;
use super::replay::Lease;
use super::{Attempts, ResponseBody};
use crate::clock;

/// An attempt that is under way.
struct UnderWay<'a> {
    number: u32,
    previous: u32,
    attempt: Pin<Box<dyn Future<Output = (Lease, Ending)> + Send + 'a>>,
}

/// What happened.
enum Happened {
    /// An attempt came to its end: its number, how many went before it, and what came of it.
    Ended(u32, u32, Box<Ending>),
    /// There is too much to be kept; the call is bound to this attempt.
    Overflowed(u32),
    /// The next attempt is due.
    Due,
}

/// The attempts of one call.
struct Hedged<'a> {
    attempts: &'a Attempts<'a>,
    under_way: Vec<UnderWay<'a>>,
    /// The number of the next attempt.
    number: u32,
}

/// Carries out a call by several attempts at the same time.
///
/// # Errors
/// What the caller is told.
pub(super) async fn run(
    attempts: &Attempts<'_>,
    policy: &Arc<HedgingPolicy>,
) -> Result<Response<ResponseBody>, Status> {
    let mut hedge = Hedge::new(Arc::clone(policy), clock::now().into_std());
    let mut hedged = Hedged { attempts, under_way: Vec::new(), number: 0 };
    hedged.begin(0);
    let mut last = None;
    loop {
        while let Some(previous) = hedge.due(clock::now().into_std(), attempts.throttle()) {
            attempts.shared.meter.retries.add_one();
            hedged.begin(previous);
        }
        if hedge.is_over() {
            return last.unwrap_or_else(|| Err(Status::internal("a call without an attempt")));
        }
        let (number, previous, ending) = match hedged.wait(hedge.next_at()).await {
            Happened::Due => continue,
            Happened::Overflowed(bound) => {
                hedged.under_way.retain(|one| one.number == bound);
                hedge.committed();
                continue;
            }
            // It was not cancelled in time: another attempt has taken more than can be kept.
            Happened::Ended(number, ..) if attempts.replay.bound().is_some_and(|bound| bound != number) => continue,
            Happened::Ended(number, previous, ending) => (number, previous, ending),
        };
        let (mut ended, result) = match *ending {
            Ending::Began(response) => return Ok(attempts.chosen(number, response, policy.non_fatal)),
            Ending::Over(ended, result) => (ended, result),
        };
        ended.is_committed = attempts.replay.bound().is_some();
        match hedge.ended(clock::now().into_std(), &ended, attempts.throttle()) {
            Then::Deliver => return result,
            Then::GoOn => last = Some(result),
            Then::Repeat => hedged.begin(previous),
        }
    }
}

impl<'a> Hedged<'a> {
    fn begin(&mut self, previous: u32) {
        let (attempts, number) = (self.attempts, self.number);
        self.number += 1;
        self.under_way.push(UnderWay { number, previous, attempt: Box::pin(attempts.make(number, previous, None)) });
    }

    /// Waits for what happens first.
    async fn wait(&mut self, next_at: Option<Instant>) -> Happened {
        let overflowed = self.attempts.replay.overflowed();
        let under_way = &mut self.under_way;
        let ended = poll_fn(|cx| {
            let polled = under_way.iter_mut().enumerate().find_map(|(at, one)| match one.attempt.as_mut().poll(cx) {
                Poll::Ready((_lease, ending)) => Some((at, Box::new(ending))),
                Poll::Pending => None,
            });
            let Some((at, ending)) = polled else { return Poll::Pending };
            let one = under_way.swap_remove(at);
            Poll::Ready(Happened::Ended(one.number, one.previous, ending))
        });
        let due = async {
            match next_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            bound = overflowed => Happened::Overflowed(bound),
            ended = ended => ended,
            () = due => Happened::Due,
        }
    }
}
