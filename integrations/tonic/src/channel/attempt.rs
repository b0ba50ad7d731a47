//! One attempt of a call: an endpoint is picked, the request is sent to it, its answer begins.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::uri::Parts;
use http::{Request, Response, Uri};
use nacrite_balance::attempt::Reach;
use nacrite_balance::code::Code;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

use super::Shared;
use super::body::ResponseBody;
use super::call::CallContext;
use super::failure::AttemptFailure;
use super::intercept::{AttemptContext, CredentialsOver};
use super::outcome::Attempt;
use super::rules::Rules;
use super::view::{Choice, Lane, Look};

impl Shared {
    /// Picks an endpoint, waiting for one if need be, and sends the request. Returns when the answer begins; whoever drops
    /// the future or the answer gives the attempt up: after `until` because the endpoint took too long.
    ///
    /// # Errors
    /// Why there is no answer, and how far the attempt came.
    pub(crate) async fn attempt(
        &self,
        call: &CallContext,
        mut request: Request<Body>,
        until: Option<Instant>,
    ) -> Result<Response<ResponseBody>, Box<AttemptFailure>> {
        let lane = self.lane(call).await.map_err(AttemptFailure::unsent)?;
        if self.secrets.is_some() {
            self.add_secrets(call, &lane, &mut request).await.map_err(AttemptFailure::unsent)?;
        }
        *request.uri_mut() = self.uri(call, &lane).map_err(AttemptFailure::unsent)?;
        let Some(mut sender) = lane.sender.clone() else {
            return Err(AttemptFailure::unsent(Status::internal("an endpoint was picked that is not ready")));
        };
        let attempt = Attempt::begin(lane, until);
        let sent = sender.try_send_request(request);
        // What is sent is on its way without it; held on to, it would keep a connection open that is not wanted any more.
        drop(sender);
        match sent.await {
            Ok(response) => Ok(ResponseBody::of(response, attempt)),
            Err(error) => {
                let failure = AttemptFailure::of_sending(error, &attempt.lane().endpoint);
                match failure.reach {
                    Reach::Other => attempt.ended(Code::Unavailable),
                    Reach::NeverLeft | Reach::Unprocessed => attempt.ended_unnoticed(),
                }
                Err(failure)
            }
        }
    }

    /// The rules for calls, waiting until they are known.
    pub(super) async fn rules(&self, waits_for_ready: bool) -> Result<Arc<Rules>, Status> {
        // Nearly always they are: then nobody stands in the queue of those who wait, which has a lock.
        if let Some(rules) = &self.view.load().rules {
            return Ok(Arc::clone(rules));
        }
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let view = self.view.load_full();
            match (&view.rules, &view.choice) {
                (Some(rules), _) => return Ok(Arc::clone(rules)),
                (None, Choice::Failing(reason)) if !waits_for_ready => return Err(Status::unavailable(&**reason)),
                (None, Choice::Shut) => return Err(super::call::shut()),
                (None, Choice::Asleep) => self.nudge.notify_one(),
                (None, _) => {}
            }
            changed.await;
        }
    }

    /// The endpoint that takes the call.
    async fn lane(&self, call: &CallContext) -> Result<Arc<Lane>, Status> {
        if let Some(found) = self.look(call) {
            return found;
        }
        self.meter.picks_waited.add_one();
        call.is_waiting.store(true, Ordering::Relaxed);
        loop {
            // Waiting begins before looking: a view that comes in between is not missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = self.look(call) {
                call.is_waiting.store(false, Ordering::Relaxed);
                return found;
            }
            changed.await;
        }
    }

    /// What a call is told whose deadline passed before it had an endpoint.
    pub(super) fn waited_in_vain(&self, call: &CallContext) -> Status {
        let why = match self.view.load().look(&call.to_pick()) {
            Look::Fail(reason) => reason,
            _ => "none is ready yet".into(),
        };
        Status::deadline_exceeded(format!("the deadline of the call has passed while it waited for an endpoint: {why}"))
    }

    /// What the present view says; `None` if the call has to wait for another.
    fn look(&self, call: &CallContext) -> Option<Result<Arc<Lane>, Status>> {
        match self.view.load().look(&call.to_pick()) {
            Look::Send(lane) => Some(Ok(lane)),
            Look::Wait => None,
            Look::WaitAndTell => {
                self.nudge.notify_one();
                None
            }
            Look::Fail(_) if call.waits_for_ready => None,
            Look::Fail(reason) => Some(Err(Status::unavailable(&*reason))),
            Look::Shut => Some(Err(super::call::shut())),
        }
    }

    async fn add_secrets(&self, call: &CallContext, lane: &Lane, request: &mut Request<Body>) -> Result<(), Status> {
        let Some(secrets) = &self.secrets else { return Ok(()) };
        if secrets.over == CredentialsOver::TlsAlone && lane.scheme != http::uri::Scheme::HTTPS {
            return Err(Status::unauthenticated(format!(
                "credentials are sent over TLS alone, and {} is called in the clear",
                lane.endpoint
            )));
        }
        let context =
            AttemptContext { method: call.path.path(), authority: self.authority.as_str(), endpoint: &lane.endpoint };
        let metadata = secrets.credentials.metadata(context).await?;
        for (key, value) in &metadata.into_headers() {
            request.headers_mut().append(key, value.clone());
        }
        Ok(())
    }

    fn uri(&self, call: &CallContext, lane: &Lane) -> Result<Uri, Status> {
        let mut parts = Parts::default();
        parts.scheme = Some(lane.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(call.path.clone());
        Uri::from_parts(parts).map_err(|error| Status::internal(format!("the method cannot be called: {error}")))
    }
}
