//! Calls at a steady rate, whatever becomes of those before: an open loop, as callers who do not know of each other are.
//!
//! Each call is noted with the time at which it was due, how it ended and who answered. Nothing is judged here.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Calls under way at one time. At the bound a call that is due fails: whoever is that far behind is broken.
const UNDER_WAY_MAX: usize = 2_000;

/// Every so many calls one is a reservation, which must not be tried again when it may have arrived.
const RESERVE_EVERY: u64 = 4;

/// Longer than the front gives the price service; what takes longer failed.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A price: may be asked again on another instance.
    Quote,
    /// A reservation: may not.
    Reserve,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// When it was due, after the load began.
    pub due: Duration,
    /// How long it took.
    pub took: Duration,
    /// What was asked.
    pub asked: Asked,
    /// Who answered, or why nobody did.
    pub answer: Result<String, String>,
}

/// Load that goes on until it is stopped.
pub(crate) struct Load {
    began: Instant,
    notes: Arc<Mutex<Vec<Ended>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Load {
    /// Begins to call the front.
    pub(crate) fn begin(front: SocketAddr, per_second: u32) -> Self {
        #[expect(clippy::disallowed_methods, reason = "real processes are measured, in real time")]
        let began = Instant::now();
        let load = Self { began, notes: Arc::default(), stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let (began, notes, stop, tasks) = (load.began, Arc::clone(&load.notes), load.stop.clone(), load.tasks.clone());
        load.tasks.spawn(async move {
            let client = reqwest::Client::builder().timeout(ANSWERED_WITHIN).build().expect("a client for HTTP");
            let mut turns = interval(Duration::from_secs(1) / per_second);
            // A turn that comes late is not left out: the load is what was asked for.
            turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in 0_u64.. {
                tokio::select! {
                    due = turns.tick() => {
                        let call = Call { number, front, client: client.clone(), due, began };
                        let notes = Arc::clone(&notes);
                        let is_full = tasks.len() > UNDER_WAY_MAX;
                        tasks.spawn(async move {
                            let ended = call.run(is_full).await;
                            notes.lock().push(ended);
                        });
                    }
                    () = stop.cancelled() => break,
                }
            }
        });
        load
    }

    /// How long it has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Goes on for a while.
    pub(crate) async fn go_on(&self, time: Duration) {
        self.last(self.elapsed() + time).await;
    }

    /// Goes on until it has lasted for so long.
    pub(crate) async fn last(&self, lasting: Duration) {
        sleep_until(self.began + lasting).await;
    }

    /// Stops calling, waits for what is under way, and returns what became of every call.
    pub(crate) async fn end(self) -> Calls {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let mut notes = std::mem::take(&mut *self.notes.lock());
        notes.sort_by_key(|ended| ended.due);
        Calls(notes)
    }
}

struct Call {
    number: u64,
    front: SocketAddr,
    client: reqwest::Client,
    due: Instant,
    began: Instant,
}

impl Call {
    async fn run(self, is_full: bool) -> Ended {
        let asked = if self.number.is_multiple_of(RESERVE_EVERY) { Asked::Reserve } else { Asked::Quote };
        let answer = if is_full { Err("too many calls are under way".to_owned()) } else { self.ask(asked).await };
        Ended { due: self.due.saturating_duration_since(self.began), took: self.due.elapsed(), asked, answer }
    }

    async fn ask(&self, asked: Asked) -> Result<String, String> {
        let front = self.front;
        let request = match asked {
            Asked::Quote => self.client.get(format!("http://{front}/quote/tea")),
            Asked::Reserve => self.client.post(format!("http://{front}/reserve/tea/1")),
        };
        let response = request.send().await.map_err(|error| format!("{error:?}"))?;
        let status = response.status();
        let body = response.text().await.map_err(|error| format!("{error:?}"))?;
        if !status.is_success() {
            return Err(format!("{status}: {}", body.trim()));
        }
        let answer: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        answer["served_by"].as_str().map(str::to_owned).ok_or_else(|| format!("nobody says who answered: {body}"))
    }
}

/// What became of every call, in the order in which they were due.
pub(crate) struct Calls(Vec<Ended>);

impl Calls {
    /// All of them.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that failed.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &Ended> {
        self.0.iter().filter(|ended| ended.answer.is_err())
    }

    /// How many each instance answered, of those that were due from then on.
    pub(crate) fn spread(&self, from: Duration) -> BTreeMap<&str, usize> {
        let mut spread = BTreeMap::new();
        for ended in self.0.iter().filter(|ended| ended.due >= from) {
            if let Ok(name) = &ended.answer {
                *spread.entry(name.as_str()).or_default() += 1;
            }
        }
        spread
    }

    /// When this instance answered for the first time.
    pub(crate) fn first_by(&self, name: &str) -> Option<Duration> {
        self.0.iter().filter(|ended| ended.answer.as_deref() == Ok(name)).map(|ended| ended.due + ended.took).min()
    }

    /// Numbers and the first failures, for people.
    pub(crate) fn summary(&self) -> String {
        let mut took: Vec<_> = self.0.iter().map(|ended| ended.took).collect();
        took.sort();
        let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
        let mut text = format!("{} calls, {} failed, ", self.len(), self.failed().count());
        write!(text, "half within {:.1?}, 99 of 100 within {:.1?}", at(0.5), at(0.99)).expect("text takes everything");
        for ended in self.failed().take(5) {
            write!(text, "\n  {:?} due at {:.3?}: {:?}", ended.asked, ended.due, ended.answer).expect("as above");
        }
        text
    }
}
