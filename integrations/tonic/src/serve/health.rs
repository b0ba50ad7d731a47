//! gRPC's health service, which follows where a registration stands.

use std::convert::Infallible;

use nacrite_client::register::{LeaveStep, RegistrarState};
use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthCalls, HealthServer};
use tonic_health::server::HealthReporter;

/// The name under which the health service knows the server as a whole.
const WHOLE: &str = "";

/// What the health service says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serving {
    Yes,
    No,
    /// Nothing any more: whoever watches is let go, so that no watcher keeps the server from stopping.
    Over,
}

/// What the health service is told.
pub(super) struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// A service, and the way to tell it what to say.
    pub(super) fn new() -> (Self, HealthServer<impl HealthCalls>) {
        let (reporter, service) = tonic_health::server::health_reporter();
        (Self { reporter }, service)
    }

    /// Tells it about the server and each of these services.
    pub(super) async fn tell(&mut self, names: &[&str], serving: Serving) {
        for name in names.iter().chain([&WHOLE]) {
            match serving {
                Serving::Yes => self.reporter.set_service_status(name, ServingStatus::Serving).await,
                Serving::No => self.reporter.set_service_status(name, ServingStatus::NotServing).await,
                Serving::Over => self.reporter.clear_service_status(name).await,
            }
        }
    }

    /// Tells it whenever the answer changes.
    pub(super) async fn follow(&mut self, names: &[&str], mut state: watch::Receiver<RegistrarState>) -> Infallible {
        let mut said = Serving::No;
        loop {
            let now = serving(&state.borrow_and_update());
            if now != said {
                self.tell(names, now).await;
                said = now;
            }
            if state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

fn serving(state: &RegistrarState) -> Serving {
    match state {
        RegistrarState::Leaving { step: LeaveStep::Draining | LeaveStep::Closing, .. }
        | RegistrarState::Closed { .. } => Serving::Over,
        state if state.is_ready() => Serving::Yes,
        _ => Serving::No,
    }
}
