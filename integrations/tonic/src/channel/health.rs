//! Whether an endpoint says of itself that it serves: one call of gRPC's health service per connection, for as long as it
//! stands (client-side health checking of gRPC, gRFC A17).
//!
//! An endpoint that has no health service counts as one that serves. A watch that breaks is begun again: at once if it had
//! said something, else after a pause.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt as _};
use http::uri::{Authority, Parts, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use nacrite_balance::backoff::{Backoff, BackoffSettings};
use rand::RngExt as _;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower_service::Service;

/// What an endpoint says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Health {
    /// Nothing yet.
    #[default]
    Asked,
    /// It serves.
    Serving,
    /// It does not, for this reason.
    NotServing(Arc<str>),
}

/// A connection, as a transport of generated clients.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) sender: SendRequest<Body>,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
}

impl Service<Request<Body>> for Line {
    type Response = Response<Incoming>;
    type Error = tonic::codegen::StdError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = request.uri().path_and_query().cloned();
        match Uri::from_parts(parts) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(error) => return Box::pin(async move { Err(error.into()) }),
        }
        self.sender.send_request(request).map(|sent| Ok(sent?)).boxed()
    }
}

/// Watches the health of `service` until it is dropped, or the endpoint turns out to have no health service.
pub(super) async fn follow(line: Line, service: Arc<str>, health: watch::Sender<Health>) {
    let mut backoff = Backoff::new(BackoffSettings::CONNECT);
    loop {
        let mut has_spoken = false;
        let ended = listen(line.clone(), &service, &health, &mut has_spoken).await;
        if ended.code() == Code::Unimplemented {
            tell(&health, Health::Serving);
            return;
        }
        let why = format!("its health cannot be watched: {}", ended.message());
        tell(&health, Health::NotServing(why.into()));
        if has_spoken {
            backoff.reset();
        } else {
            let pause = backoff.pause(rand::rng().random());
            tokio::time::sleep(pause).await;
        }
    }
}

/// Listens to one watch until it ends. Returns why.
async fn listen(line: Line, service: &str, health: &watch::Sender<Health>, has_spoken: &mut bool) -> Status {
    let request = HealthCheckRequest { service: service.to_owned() };
    let mut said = match HealthClient::new(line).watch(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return status,
    };
    loop {
        match said.message().await {
            Ok(Some(answer)) => {
                *has_spoken = true;
                tell(
                    health,
                    match answer.status() {
                        ServingStatus::Serving => Health::Serving,
                        other => Health::NotServing(format!("it says that it is {}", other.as_str_name()).into()),
                    },
                );
            }
            Ok(None) => return Status::unavailable("the endpoint ended the watch"),
            Err(status) => return status,
        }
    }
}

fn tell(health: &watch::Sender<Health>, now: Health) {
    health.send_if_modified(|known| {
        let is_new = *known != now;
        *known = now;
        is_new
    });
}
