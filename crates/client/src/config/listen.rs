//! The task that listens: asks the servers what changed, fetches it, and has listeners woken. What to do is decided in
//! `listens`; here it is done.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};
use tracing::{debug, info, warn};

use super::disk::Disk;
use super::ears::Ears;
use super::falls_back;
use super::listens::{Mode, Question, Rest};
use super::name::ConfigName;
use crate::clock;
use crate::error::Error;
use crate::session::{Generation, Session};
use crate::tasks::Tasks;

use super::remote::Remote;

/// Configs fetched at once. Enough to hide the way to the server and back, few enough not to be a burst of their own.
const FETCHES_MAX: usize = 16;

/// How long servers have to say something before snapshots are shown.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long fetching one config may take.
const FETCH_WITHIN: Duration = Duration::from_secs(3);

/// A long poll that comes back empty within this was not held at all.
const POLL_HELD_MIN: Duration = Duration::from_millis(500);

/// How often everything is verified, at most and at least; a timer needs both.
const VERIFY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

/// How listening to configs goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenState {
    /// Whether a server has confirmed everything that is listened to, and will tell of changes.
    pub is_in_sync: bool,
    /// Why the last pass over what is listened to did not go through, in words; `None` once one does. What keeps a
    /// connection from standing is told by the state of the link.
    pub trouble: Option<String>,
}

/// Listens for one client.
pub(crate) struct Driver {
    pub(crate) remote: Arc<dyn Remote>,
    pub(crate) ears: Arc<Ears>,
    pub(crate) disk: Option<Disk>,
    pub(crate) verify_every: Duration,
    pub(crate) state: watch::Sender<ListenState>,
}

impl Driver {
    /// Starts listening.
    pub(crate) fn start(self, tasks: &Tasks) {
        let stopping = tasks.child_signal();
        // In a box: a task would hold it twice.
        let driver = Box::new(self);
        tasks.spawn(async move {
            // Stopping leaves nothing behind: the server forgets everything with the connection.
            stopping.run_until_cancelled(driver.run()).await;
        });
    }

    async fn run(&self) {
        let mut verify = tokio::time::interval(self.verify_every.clamp(VERIFY.0, VERIFY.1));
        verify.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once, and everything is asked at first anyway.
        verify.tick().await;
        match self.remote.sessions() {
            Some(sessions) => Box::pin(self.over_connections(sessions, verify)).await,
            None => Box::pin(self.without_connections(verify)).await,
        }
    }

    async fn over_connections(&self, mut sessions: watch::Receiver<Option<Session>>, mut verify: Interval) {
        let mut on = None;
        loop {
            let stands = sessions.borrow_and_update().as_ref().map(|session| session.generation);
            if stands.is_some() && stands != on {
                self.ears.with(|listens| listens.reconnected());
            }
            on = stands;
            let rest = match on {
                // In a box, like all that is large and seldom under way: clients that listen to nothing are many.
                Some(_) => Box::pin(self.pass(on)).await,
                None => {
                    self.state.send_if_modified(|state| std::mem::take(&mut state.is_in_sync));
                    if !self.reconnects(&mut sessions).await {
                        self.ears.with(|listens| listens.unreachable());
                    }
                    if sessions.borrow().is_some() { Rest::No } else { Rest::UntilCalled }
                }
            };
            tokio::select! {
                () = pause(rest) => {}
                () = self.ears.bell.notified() => {}
                _ = verify.tick() => self.ears.with(|listens| listens.verify()),
                changed = sessions.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Waits a little for a connection. Returns whether one came about.
    async fn reconnects(&self, sessions: &mut watch::Receiver<Option<Session>>) -> bool {
        tokio::time::timeout(PATIENCE, sessions.wait_for(Option::is_some)).await.is_ok_and(|found| found.is_ok())
    }

    async fn without_connections(&self, mut verify: Interval) {
        loop {
            let rest = self.poll().await;
            tokio::select! {
                () = pause(rest) => {}
                () = self.ears.bell.notified() => {}
                _ = verify.tick() => self.ears.with(|listens| listens.verify()),
            }
        }
    }

    /// Asks about everything that the server may not agree with.
    async fn pass(&self, on: Option<Generation>) -> Rest {
        let work = self.ears.with(|listens| listens.begin());
        for question in &work.withdraw {
            match self.remote.withdraw(on, question).await {
                Ok(()) => self.ears.with(|listens| listens.withdrawn(question)),
                Err(error) => {
                    self.trouble(&error);
                    // The server may have forgotten them or not.
                    self.ears.with(|listens| listens.broken_off(question.names()));
                }
            }
        }
        for question in &work.ask {
            let answer = self.remote.ask(on, question).await;
            self.take_answer(on, question, answer).await;
        }
        self.finish()
    }

    /// Asks about everything, and waits until one of the questions is answered or there is something new to ask.
    async fn poll(&self) -> Rest {
        let work = self.ears.with(|listens| listens.begin());
        let since = clock::now();
        let ask = |question| async move { (question, self.remote.ask(None, question).await) };
        let mut polls: FuturesUnordered<_> = work.ask.iter().map(ask).collect();
        let answered = tokio::select! {
            answered = polls.next() => answered,
            // Giving up a poll tells the server so: its connection closes.
            () = self.ears.bell.notified() => return Rest::No,
        };
        drop(polls);
        if let Some((question, answer)) = answered {
            let was_empty = answer.as_ref().is_ok_and(Vec::is_empty);
            if was_empty && !question.is_urgent && clock::now() - since < POLL_HELD_MIN {
                // A server, or something in front of it, that does not hold polls must not be asked in a loop.
                self.ears.with(|listens| listens.setback());
            }
            self.take_answer(None, question, answer).await;
        }
        self.finish()
    }

    async fn take_answer(&self, on: Option<Generation>, question: &Question, answer: Result<Vec<ConfigName>, Error>) {
        match answer {
            Ok(changed) => {
                let fetch = self.ears.with(|listens| listens.answered(question, &changed));
                stream::iter(fetch).for_each_concurrent(FETCHES_MAX, |name| self.fetch(on, name)).await;
            }
            Err(error) => {
                self.trouble(&error);
                self.ears.with(|listens| match lets_snapshots_show(&error) {
                    true => listens.unanswered(question),
                    false => listens.broken_off(question.names()),
                });
            }
        }
    }

    async fn fetch(&self, on: Option<Generation>, name: ConfigName) {
        match self.remote.query(on, &name, None, FETCH_WITHIN).await {
            Ok(known) => {
                debug!(%name, digest = known.digest(), "config changed");
                // Listeners first: the disk may be slow.
                let kept = self.disk.as_ref().map(|disk| disk.keep(&name, known.clone()));
                self.ears.with(|listens| listens.fetched(&name, known));
                if let Some(kept) = kept {
                    kept.await;
                }
            }
            Err(error) => {
                self.trouble(&error);
                self.ears.with(|listens| match lets_snapshots_show(&error) {
                    true => listens.unfetched(&name),
                    false => listens.broken_off([&name]),
                });
            }
        }
    }

    /// Ends a pass, and says how it went.
    fn finish(&self) -> Rest {
        let (rest, is_in_sync) = self.ears.with(|listens| (listens.end(), listens.is_in_sync()));
        let went_through = !matches!(rest, Rest::For(_));
        self.state.send_if_modified(|state| {
            let before = state.clone();
            state.is_in_sync = is_in_sync;
            if went_through && state.trouble.take().is_some() {
                info!("listening to configs works again");
            }
            *state != before
        });
        rest
    }

    /// Says once that something does not work, and nothing more until it works again.
    fn trouble(&self, error: &Error) {
        let words = error.to_string();
        self.state.send_if_modified(|state| {
            if state.trouble.is_some() {
                debug!(%error, "listening to configs still does not work");
            } else {
                let over = match self.remote.mode() {
                    Mode::Push => "grpc",
                    Mode::Poll => "http",
                };
                warn!(%error, over, "listening to configs does not work");
            }
            let is_new = state.trouble.as_ref() != Some(&words);
            state.trouble = Some(words);
            is_new
        });
    }
}

/// Whether a failure lets what was kept on disk stand in. Not a connection that broke: there may be another one in a
/// moment, and if there is none, that is noticed in another way.
fn lets_snapshots_show(error: &Error) -> bool {
    falls_back(error) && !matches!(error, Error::NotConnected(_))
}

async fn pause(rest: Rest) {
    match rest {
        Rest::No => {}
        Rest::For(pause) => tokio::time::sleep(pause).await,
        Rest::UntilCalled => std::future::pending().await,
    }
}
