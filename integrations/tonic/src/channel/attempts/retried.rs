//! A call that is sent again when it failed, one attempt after the other.

use std::sync::Arc;

use http::Response;
use nacrite_balance::code::Codes;
use nacrite_balance::retry::{Next, Retry, RetryPolicy};
use tonic::Status;

use super::ending::Ending;
use super::{Attempts, ResponseBody};

/// Carries out a call by as many attempts as the policy allows; without one, attempts that no endpoint looked at are
/// repeated all the same.
///
/// # Errors
/// What the caller is told.
pub(super) async fn run(
    attempts: &Attempts<'_>,
    policy: Option<&Arc<RetryPolicy>>,
) -> Result<Response<ResponseBody>, Status> {
    let mut retry = Retry::new(policy.cloned());
    let (mut number, mut previous) = (0, 0);
    loop {
        let (lease, ending) = attempts.make(number, previous, retry.attempt_within()).await;
        let (mut ended, result) = match ending {
            Ending::Began(response) => {
                let counts = policy.map_or_else(Codes::default, |policy| policy.retryable);
                return Ok(attempts.chosen(number, response, counts));
            }
            Ending::Over(ended, result) => (ended, result),
        };
        ended.is_committed = attempts.replay.bound().is_some();
        match retry.ended(&ended, attempts.throttle(), rand::random()) {
            Next::Stop(_) => return result,
            Next::Again { after, previous: before } => {
                drop(lease);
                attempts.shared.meter.retries.add_one();
                if !after.is_zero() {
                    tokio::time::sleep(after).await;
                }
                previous = before;
            }
        }
        number += 1;
    }
}
