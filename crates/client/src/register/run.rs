//! Runs a life: polls the server, does what `life` orders, and tells what comes of it.
//!
//! Everything happens in the task of the caller: the server's future, the act that is under way, signals and deadlines are
//! polled side by side, so that a server never waits for its registration. When the life is over, whatever is still open is
//! dropped.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::enroll::Acts;
use super::hooks::BoxError;
use super::life::{Act, Event, Life, Order, Registers};
use super::listening::{Listening, Stop};
use super::registrar::{Registrar, RegistrarHandle};
use super::settings::{OnFailure, RegisterSettings};
use super::state::{Farewell, LeaveReason, LeaveStep, RegistrarState};
use crate::clock;

/// Why a server did not come to run, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The handlers did not answer, or the program did not become ready.
    #[error("not ready: {0}")]
    NotReady(String),
    /// There is no address under which others could reach it.
    #[error("no address to register: {0}")]
    NoAddress(String),
    /// A hook refused.
    #[error("a hook refused the registration: {0}")]
    Hook(String),
    /// The registry did not take it.
    #[error("not registered: {0}")]
    NotRegistered(String),
    /// The server could not be run, or failed.
    #[error("the server failed: {0}")]
    Server(#[source] BoxError),
}

/// What an act comes to.
pub(super) type Outcome = Result<(), ServeError>;

impl Registrar {
    /// Runs a server, and its registration with it, until it has left. `serve` gets what tells the server to stop, and
    /// returns the future that serves; it ends when everything under way is finished. For frameworks without support:
    ///
    /// ```no_run
    /// # async fn example(registrar: nacrite_client::register::Registrar) -> Result<(), Box<dyn std::error::Error>> {
    /// use nacrite_client::register::{Listening, Probe};
    ///
    /// let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await?;
    /// let listening = Listening::at(listener.local_addr()?).framework("my-server", "1.0").probe(Probe::http());
    /// let farewell = registrar
    ///     .run(listening, |stop| async move {
    ///         // Here: accept and serve until `stop.stopping()` ends, then finish what is under way.
    ///         let _ = listener;
    ///         stop.stopping().await;
    ///         std::io::Result::Ok(())
    ///     })
    ///     .await?;
    /// println!("left after {:?}", farewell.took);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ServeError`] if it did not come to be registered and fails fast, or if the server failed.
    pub async fn run<F, E>(self, listening: Listening, serve: impl FnOnce(Stop) -> F) -> Result<Farewell, ServeError>
    where
        F: Future<Output = Result<(), E>>,
        E: Into<BoxError>,
    {
        let stop = CancellationToken::new();
        let signals = self.handle.lifecycle.heed_signals();
        // Boxed, as are the acts: a framework's future may be large, and this one is held in the caller's.
        let serving = Box::pin(serve(Stop(stop.clone())));
        self.tell_ignored();
        let began = clock::now();
        let life = Life::new(self.settings.bounds.clone(), registers(&self.settings));
        let handle = self.handle.clone();
        let connections = listening.connections.clone();
        let acts = Acts::new(self, listening);
        let mut course =
            Course { life, handle, began, left_at: None, stop, connections, served: None, failure: None, dropped: 0 };
        course.go(&acts, pin!(signals), serving).await;
        course.farewell()
    }

    fn tell_ignored(&self) {
        for (name, why) in self.settings.ignored() {
            info!(name, why, "a setting has no effect");
        }
    }
}

fn registers(settings: &RegisterSettings) -> Registers {
    match settings.on_failure {
        _ if !settings.is_registered() => Registers::Never,
        OnFailure::FailFast => Registers::OrEnds,
        OnFailure::KeepTrying => Registers::WhenPossible,
    }
}

/// A life on its way.
struct Course {
    life: Life,
    handle: RegistrarHandle,
    began: Instant,
    left_at: Option<Instant>,
    stop: CancellationToken,
    connections: super::connections::Connections,
    /// How the server ended, once it has.
    served: Option<Result<(), BoxError>>,
    failure: Option<ServeError>,
    dropped: usize,
}

impl Course {
    async fn go<F, E>(&mut self, acts: &Acts, mut signals: Pin<&mut impl Future<Output = ()>>, mut serving: Pin<Box<F>>)
    where
        F: Future<Output = Result<(), E>>,
        E: Into<BoxError>,
    {
        let lifecycle = self.handle.lifecycle.clone();
        // Polled once before anything else: what is asked from now on finds somebody.
        let first = std::future::poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await;
        let mut order = self.take_in(Event::Served);
        if let Poll::Ready(ended) = first {
            self.served = Some(ended.map_err(Into::into));
            order = self.take_in(Event::ServeEnded);
        }
        while let Some(Order::Do(act)) = order {
            self.begin(act);
            let mut doing = Box::pin(acts.run(act));
            order = loop {
                let is_leaving = self.life.reason().is_some();
                let event = tokio::select! {
                    biased;
                    () = lifecycle.at_once() => Event::AtOnce,
                    () = signals.as_mut() => continue,
                    reason = lifecycle.leaving(), if !is_leaving => Event::Leave(reason),
                    ended = serving.as_mut(), if self.served.is_none() => {
                        self.served = Some(ended.map_err(Into::into));
                        Event::ServeEnded
                    }
                    outcome = doing.as_mut() => self.outcome(act, outcome),
                    () = until(self.life.deadline().map(|after| self.began + after)) => self.late(act),
                };
                let next = self.take_in(event);
                if next.is_some() {
                    break next;
                }
            };
        }
        self.over();
    }

    fn take_in(&mut self, event: Event) -> Option<Order> {
        let now = clock::now();
        let was_leaving = self.life.reason().is_some();
        let order = self.life.on(now.saturating_duration_since(self.began), event);
        if let (false, Some(reason)) = (was_leaving, self.life.reason()) {
            info!(service = %self.handle.shared.service, %reason, "leaving");
            self.left_at = Some(now);
            // A program of which one server is missing is none: the others leave too.
            self.handle.lifecycle.leave();
        }
        order
    }

    /// An act has ended.
    fn outcome(&mut self, act: Act, outcome: Outcome) -> Event {
        match outcome {
            Ok(()) => Event::Done,
            Err(error) => {
                self.remember(act, error);
                Event::Failed
            }
        }
    }

    /// An act has used up its time.
    fn late(&mut self, act: Act) -> Event {
        match act {
            Act::Linger | Act::Drain | Act::Close | Act::Stay => {}
            Act::Deregister => {
                warn!(service = %self.handle.shared.service, "the registry did not confirm the removal in time");
            }
            Act::AfterRegister | Act::BeforeLeave | Act::AfterLeave => {
                warn!(service = %self.handle.shared.service, ?act, "hooks did not end in time");
            }
            Act::Gate | Act::Describe | Act::BeforeRegister | Act::Register => {
                let why = self.handle.shared.state.borrow().complaint().unwrap_or("no answer in time").to_owned();
                let error = match act {
                    Act::Gate => ServeError::NotReady(why),
                    Act::Describe => ServeError::NoAddress(why),
                    Act::Register => ServeError::NotRegistered(why),
                    _ => ServeError::Hook("it did not end in time".to_owned()),
                };
                self.remember(act, error);
            }
        }
        Event::Deadline
    }

    fn remember(&mut self, act: Act, error: ServeError) {
        if self.life.reason().is_some() {
            warn!(service = %self.handle.shared.service, ?act, %error, "leaving goes on");
        } else {
            self.failure.get_or_insert(error);
        }
    }

    /// An act begins: says so, and does what needs no time.
    fn begin(&mut self, act: Act) {
        if act == Act::Drain {
            self.stop.cancel();
        }
        if act == Act::Close {
            self.cut();
        }
        let leaving = |step| {
            let reason = self.life.reason().unwrap_or(LeaveReason::Call);
            Some(RegistrarState::Leaving { reason, step })
        };
        let state = match act {
            Act::BeforeLeave | Act::Deregister | Act::AfterLeave => leaving(LeaveStep::Deregistering),
            Act::Linger => leaving(LeaveStep::Lingering),
            Act::Drain => leaving(LeaveStep::Draining),
            Act::Close => leaving(LeaveStep::Closing),
            Act::Describe | Act::BeforeRegister => Some(RegistrarState::Registering { reason: None }),
            // These say themselves where they stand.
            Act::Gate | Act::Register | Act::AfterRegister | Act::Stay => None,
        };
        if let Some(state) = state {
            self.handle.shared.state.send_replace(state);
        }
    }

    /// Cuts what is still open, if anybody still serves. What was cut before is not counted again.
    fn cut(&mut self) {
        self.stop.cancel();
        if self.served.is_none() && !self.connections.is_cut() {
            self.dropped = self.connections.cut();
        }
    }

    fn over(&mut self) {
        self.cut();
        let reason = self.life.reason().unwrap_or(LeaveReason::Call);
        let took_ms = self.took().as_millis();
        if self.dropped > 0 {
            warn!(service = %self.handle.shared.service, connections = self.dropped, "dropped, there was no more time for them");
        }
        info!(service = %self.handle.shared.service, %reason, took_ms, "left");
        self.handle.shared.state.send_replace(RegistrarState::Closed { reason });
    }

    fn took(&self) -> Duration {
        self.left_at.map(|at| clock::now().saturating_duration_since(at)).unwrap_or_default()
    }

    fn farewell(self) -> Result<Farewell, ServeError> {
        let farewell = Farewell {
            reason: self.life.reason().unwrap_or(LeaveReason::Call),
            took: self.took(),
            dropped: self.dropped,
            is_late: self.life.is_late(),
        };
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        match self.served {
            Some(Err(error)) => Err(ServeError::Server(error)),
            _ => Ok(farewell),
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
