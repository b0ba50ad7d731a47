//! Does what `phase` decides: one task per link, which makes attempts, checks, adopts and leaves connections.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, OptionFuture};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::clock;
use crate::failure::{ConnectFailure, Layer};
use crate::link::attempt::{Introduction, LetIn};
use crate::link::connection::{Activity, Connection};
use crate::link::phase::{Health, Input, Machine, Output};
use crate::link::pushes::Pushes;
use crate::link::signals::Signals;
use crate::link::{PushHandler, ServerSource};
use crate::metrics::Meter;
use crate::server::ServerAddress;
use crate::session::{Generation, LinkState, Phase, Session, StepTaken, Stopwatch};

/// What may be used now.
#[derive(Clone)]
pub(super) enum Current {
    /// Requests go out on this connection.
    Usable(Arc<Connection>),
    /// Requests wait. There may be a connection whose health is in doubt.
    Waiting(Option<Generation>),
    /// Nothing ever again.
    Closed,
}

/// Where the driver tells what there is.
pub(super) struct Told {
    pub(super) state: watch::Sender<LinkState>,
    pub(super) session: watch::Sender<Option<Session>>,
    pub(super) current: watch::Sender<Current>,
}

/// The task of a link.
pub(super) struct Driver {
    pub(super) name: String,
    pub(super) machine: Machine,
    pub(super) epoch: Instant,
    pub(super) introduction: Arc<Introduction>,
    pub(super) servers: Arc<dyn ServerSource>,
    pub(super) handlers: Arc<[Arc<dyn PushHandler>]>,
    pub(super) signals: Arc<Signals>,
    pub(super) meter: Arc<Meter>,
    pub(super) told: Told,
    pub(super) attempt: Option<Attempt>,
    pub(super) check: Option<BoxFuture<'static, (Generation, Health)>>,
    /// Let in, and not yet adopted.
    pub(super) let_in: Option<(Generation, ServerAddress, LetIn)>,
    pub(super) held: Option<Arc<Connection>>,
    /// The steps of the last attempt.
    pub(super) steps: Arc<[StepTaken]>,
}

/// The steps of an attempt, and what it has come to.
type Tried = (Arc<[StepTaken]>, Result<LetIn, ConnectFailure>);

/// An attempt under way, and where it goes.
pub(super) struct Attempt {
    server: ServerAddress,
    result: BoxFuture<'static, Tried>,
}

impl Driver {
    /// Keeps the link up until its tasks are to stop.
    pub(super) async fn run(mut self: Box<Self>) {
        let tasks = self.introduction.tasks.clone();
        let mut changes = self.servers.changes();
        let servers = self.servers.current();
        self.step(Input::Servers(servers));
        while self.machine.phase().0 != Phase::ShutDown {
            let inputs = tokio::select! {
                biased;
                () = tasks.stopping() => vec![Input::ShutDown],
                inputs = self.next(&mut changes) => inputs,
            };
            for input in inputs {
                self.step(input);
            }
        }
    }

    /// Waits until something happens.
    async fn next(&mut self, changes: &mut watch::Receiver<Arc<[ServerAddress]>>) -> Vec<Input> {
        let wake_at = self.machine.wake_at().map(|at| self.epoch + at);
        let wake = OptionFuture::from(wake_at.map(sleep_until));
        tokio::select! {
            biased;
            inputs = self.signals.next() => inputs,
            (server, (steps, result)) = tried(&mut self.attempt) => {
                self.steps = steps;
                vec![self.tried(server, result)]
            }
            (generation, health) = ended(&mut self.check) => vec![Input::Checked { generation, health }],
            servers = changed(changes) => vec![Input::Servers(servers)],
            Some(()) = wake => vec![Input::Tick { last_active: self.last_active() }],
        }
    }

    /// What an attempt has come to.
    fn tried(&mut self, server: ServerAddress, result: Result<LetIn, ConnectFailure>) -> Input {
        match result {
            Ok(let_in) => {
                let generation = self.introduction.tasks.next_generation();
                let peer = let_in.channel.peer.ip();
                self.let_in = Some((generation, server, let_in));
                Input::Connected { generation, peer }
            }
            Err(failure) => {
                self.meter.attempts_failed.add_one();
                debug!(link = %self.name, %failure, "an attempt to connect failed");
                Input::Failed(failure)
            }
        }
    }

    fn last_active(&self) -> Duration {
        self.held.as_ref().map(|held| held.activity.last()).unwrap_or_default()
    }

    fn step(&mut self, input: Input) {
        let now = clock::now().saturating_duration_since(self.epoch);
        let outputs = self.machine.step(now, input);
        for output in outputs {
            self.act(output);
        }
        self.tell();
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Connect { server, first, last } => {
                let (introduction, to) = (Arc::clone(&self.introduction), server.clone());
                let result = Box::pin(async move {
                    let mut watch = Stopwatch::start();
                    let result = introduction.to(&to, first, last, &mut watch).await;
                    (watch.steps(), result)
                });
                self.attempt = Some(Attempt { server, result });
            }
            Output::Check { generation } => {
                let Some(held) = self.held.clone().filter(|held| held.generation == generation) else { return };
                let introduction = Arc::clone(&self.introduction);
                let check = async move { (generation, held.check(&introduction.settings).await) };
                self.check = Some(Box::pin(check));
            }
            Output::Leave { generation, still_good } => self.leave(generation, still_good),
            Output::Adopt { generation } => self.adopt(generation),
        }
    }

    fn adopt(&mut self, generation: Generation) {
        let Some((_, server, let_in)) = self.let_in.take_if(|(let_in, ..)| *let_in == generation) else { return };
        let LetIn { channel, stream, abilities } = let_in;
        let activity = Arc::new(Activity::new(self.epoch));
        let pushes = Box::new(Pushes {
            generation,
            stream,
            channel: channel.clone(),
            handlers: Arc::clone(&self.handlers),
            signals: Arc::clone(&self.signals),
            activity: Arc::clone(&activity),
            meter: Arc::clone(&self.meter),
        });
        self.meter.connections.add_one();
        info!(link = %self.name, %generation, %server, "connected");
        self.introduction.tasks.spawn(pushes.run());
        self.held = Some(Arc::new(Connection { generation, server, abilities, channel, activity }));
        // A check of the connection before would be of no use to anybody.
        self.check = None;
    }

    /// Lets go of a connection. Who watches sees that it is gone before there is another one.
    fn leave(&mut self, generation: Generation, still_good: bool) {
        if let Some((_, _, refused)) = self.let_in.take_if(|(let_in, ..)| *let_in == generation) {
            refused.channel.close.cancel();
        }
        let Some(held) = self.held.take_if(|held| held.generation == generation) else { return };
        self.check = None;
        self.told.current.send_replace(Current::Waiting(None));
        self.told.session.send_replace(None);
        let close = held.channel.close.clone();
        if !still_good {
            return close.cancel();
        }
        let handover = self.introduction.settings.handover;
        self.introduction.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = close.cancelled() => {}
                () = tokio::time::sleep(handover) => close.cancel(),
            }
        });
    }

    /// Tells who watches what there is now. Who hears of a session can use it: requests are let through first.
    fn tell(&self) {
        let (phase, since) = self.machine.phase();
        let held = self.held.as_ref();
        let current = match (phase, held, self.machine.held()) {
            (Phase::ShutDown, ..) => Current::Closed,
            (_, Some(held), Some((_, true))) => Current::Usable(Arc::clone(held)),
            (_, held, _) => Current::Waiting(held.map(|held| held.generation)),
        };
        self.told.current.send_if_modified(|told| {
            let is_other = !same(told, &current);
            if is_other {
                *told = current;
            }
            is_other
        });
        let session = held.map(|held| held.session());
        self.told.session.send_if_modified(|told| {
            let is_other = told.as_ref().map(|it| it.generation) != session.as_ref().map(|it| it.generation);
            if is_other {
                *told = session;
            }
            is_other
        });
        let failure = self.machine.failure();
        let since = (self.epoch + since).into_std();
        self.told.state.send_if_modified(|state| {
            let generation = held.map_or(state.generation, |held| Some(held.generation));
            if !Arc::ptr_eq(&state.steps, &self.steps) {
                // Another attempt that failed as the one before is nothing to wake anybody for.
                state.steps = Arc::clone(&self.steps);
            }
            if state.phase == phase && state.failure.as_ref() == failure && state.generation == generation {
                return false;
            }
            self.log(state, phase, failure);
            let server = held.map(|held| held.server.clone()).or_else(|| state.server.take());
            let steps = Arc::clone(&self.steps);
            *state = LinkState { phase, server, generation, failure: failure.cloned(), steps, since };
            true
        });
    }

    /// Says what an operator wants to know: that a connection is lost, and the first reason why there is no other one.
    /// What follows upon that is the same again and again.
    fn log(&self, before: &LinkState, phase: Phase, failure: Option<&ConnectFailure>) {
        let Some(failure) = failure else { return };
        let is_lost = phase == Phase::Unhealthy && before.phase != phase;
        let is_first = before.failure.as_ref().is_none_or(|before| before.layer == Layer::Lost);
        if is_lost || is_first {
            warn!(link = %self.name, %failure, "not connected");
        }
    }
}

fn same(one: &Current, other: &Current) -> bool {
    match (one, other) {
        (Current::Usable(one), Current::Usable(other)) => one.generation == other.generation,
        (Current::Waiting(one), Current::Waiting(other)) => one == other,
        (Current::Closed, Current::Closed) => true,
        _ => false,
    }
}

/// Waits for an attempt; for ever, if there is none.
async fn tried(attempt: &mut Option<Attempt>) -> (ServerAddress, Tried) {
    let Some(under_way) = attempt else { return std::future::pending().await };
    let result = Pin::new(&mut under_way.result).await;
    let server = under_way.server.clone();
    *attempt = None;
    (server, result)
}

/// Waits for a check; for ever, if there is none.
async fn ended<T>(check: &mut Option<BoxFuture<'static, T>>) -> T {
    let Some(under_way) = check else { return std::future::pending().await };
    let result = under_way.await;
    *check = None;
    result
}

/// Waits for another list of servers; for ever, if there will be none.
async fn changed(changes: &mut watch::Receiver<Arc<[ServerAddress]>>) -> Arc<[ServerAddress]> {
    if changes.changed().await.is_err() {
        return std::future::pending().await;
    }
    Arc::clone(&changes.borrow_and_update())
}
