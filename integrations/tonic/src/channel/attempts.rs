//! The attempts of a call: what never left this program is sent again, to whoever is picked then.

use http::{Request, Response};
use nacrite_balance::attempt::Reach;
use tonic::Status;
use tonic::body::Body;

use super::Shared;
use super::body::ResponseBody;
use super::call::CallContext;

/// How often a call that never left is sent again (gRFC A6). More means that connections break as fast as they are made.
const UNSENT_MAX: usize = 1000;

/// Carries out a call by as many attempts as it takes.
///
/// # Errors
/// What the caller is told.
pub(super) async fn run(
    shared: &Shared,
    call: &CallContext,
    mut request: Request<Body>,
) -> Result<Response<ResponseBody>, Status> {
    let mut unsent = 0;
    loop {
        let failure = match shared.attempt(call, request).await {
            Ok(response) => return Ok(response),
            Err(failure) => *failure,
        };
        match failure.request {
            Some(same) if failure.reach == Reach::NeverLeft && unsent < UNSENT_MAX => request = same,
            _ => return Err(failure.status),
        }
        unsent += 1;
    }
}
