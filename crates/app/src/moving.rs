//! Sends clients elsewhere: so many per second, until no more than wanted are left, and looks whether they went.
//!
//! There is one order at a time; a newer one takes its place, and what was told under the older one is not told twice.
//! A client is only ever told: it decides where it goes (recorded: `conn-reset-no-ack`). One that is still there after a
//! while is told again, a few times, then left alone, and another one is told in its place.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use nacrite_base::{ConnectionId, Timestamp};
use nacrite_env::{SharedClock, SharedRandom};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{debug, info};

use crate::connections::{Connections, Introduction};
use crate::limits::{TELL_AGAIN_AFTER, TELL_TIMES_MAX};
use crate::metrics::Metrics;
use crate::push::outbox::{Control, Redirect};
use crate::tasks::Tasks;

/// Clients are told in small portions, so many times per second; each wait is up to half longer or shorter, so that
/// several servers that move clients do not keep step.
const PORTION_MS: u64 = 100;

/// A list of candidates that is used up is made again at most this often.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where clients are to go, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Where.
    pub to: Redirect,
    /// How many, in proportion to the other shares.
    pub count: usize,
}

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Clients that may stay.
    pub keep: usize,
    /// Where the others are to go; wherever they like, if it is empty.
    pub shares: Vec<Share>,
    /// Clients to be told in a second; as many as usual, if nothing is said.
    pub per_second: Option<u64>,
}

/// How far an order is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether there is an order that is not done.
    pub is_moving: bool,
    /// Clients that were told and are still there.
    pub pending: usize,
    /// Clients that were told several times and stayed.
    pub stayed: usize,
}

/// A client that was told, and is still there.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: Timestamp,
    times: u32,
    stays: bool,
}

type Fixed = foldhash::quality::FixedState;

#[derive(Debug, Default)]
struct State {
    order: Option<Order>,
    /// How many went to each share.
    sent: Vec<usize>,
    candidates: VecDeque<ConnectionId>,
    looked_at: Timestamp,
    told: HashMap<ConnectionId, Told, Fixed>,
}

/// Somebody to be told.
#[derive(Debug, PartialEq, Eq)]
struct Telling {
    id: ConnectionId,
    to: Option<Redirect>,
    is_again: bool,
}

/// What one portion comes to.
#[derive(Debug, Default)]
struct Portion {
    tell: Vec<Telling>,
    stayed: u64,
    is_done: bool,
}

impl State {
    /// Whom to tell now, at most `budget` clients.
    fn portion(&mut self, now: Timestamp, budget: usize, connections: &Connections) -> Portion {
        self.told.retain(|id, _| connections.contains(id));
        let mut portion = Portion::default();
        let Some(keep) = self.order.as_ref().map(|order| order.keep) else {
            return portion;
        };
        let surplus = connections.sdk_len().saturating_sub(keep);
        if surplus == 0 {
            portion.is_done = true;
            return portion;
        }
        self.tell_again(now, budget, &mut portion);
        let pending = self.told.values().filter(|told| !told.stays).count();
        let wanted = surplus.saturating_sub(pending).min(budget - portion.tell.len().min(budget));
        for _ in 0..wanted {
            let Some(id) = self.candidate(now, connections) else {
                portion.is_done = pending == 0 && portion.tell.is_empty();
                break;
            };
            self.told.insert(id.clone(), Told { at: now, times: 1, stays: false });
            let to = self.share();
            portion.tell.push(Telling { id, to, is_again: false });
        }
        portion
    }

    fn tell_again(&mut self, now: Timestamp, budget: usize, portion: &mut Portion) {
        let mut again = Vec::new();
        for (id, told) in &mut self.told {
            if told.stays || now.since(told.at) < TELL_AGAIN_AFTER {
                continue;
            }
            if told.times >= TELL_TIMES_MAX {
                told.stays = true;
                portion.stayed += 1;
            } else if again.len() < budget {
                *told = Told { at: now, times: told.times + 1, ..*told };
                again.push(id.clone());
            }
        }
        for id in again {
            let to = self.share();
            portion.tell.push(Telling { id, to, is_again: true });
        }
    }

    /// The next client that was not told yet: those first that have been here longest, so that one that has just come is
    /// not sent on.
    fn candidate(&mut self, now: Timestamp, connections: &Connections) -> Option<ConnectionId> {
        loop {
            while let Some(id) = self.candidates.pop_front() {
                if !self.told.contains_key(&id) && connections.contains(&id) {
                    return Some(id);
                }
            }
            if now.since(self.looked_at) < LOOK_AGAIN_AFTER {
                return None;
            }
            self.looked_at = now;
            let is_candidate = |c: &Introduction| c.is_sdk();
            let mut all = connections.all();
            all.retain(|c| c.introduction().is_some_and(is_candidate) && !self.told.contains_key(&c.id));
            all.sort_by_key(|connection| connection.opened_at);
            self.candidates = all.iter().map(|connection| connection.id.clone()).collect();
            if self.candidates.is_empty() {
                return None;
            }
        }
    }

    /// Where the next client is to go: to the share that is furthest behind.
    fn share(&mut self) -> Option<Redirect> {
        let shares = &self.order.as_ref()?.shares;
        let behind = |(at, share): &(usize, &Share)| {
            let sent = self.sent.get(*at).copied().unwrap_or(0) as u128;
            (sent + 1) * u128::from(u32::MAX) / (share.count.max(1) as u128)
        };
        let (at, share) = shares.iter().enumerate().min_by_key(behind)?;
        if let Some(sent) = self.sent.get_mut(at) {
            *sent += 1;
        }
        Some(share.to.clone())
    }
}

/// Sends clients elsewhere.
#[derive(Debug)]
pub struct Mover {
    state: Mutex<State>,
    work: Notify,
    per_second: u64,
    random: SharedRandom,
}

impl Mover {
    /// Nobody is to go. Tells at most `per_second` clients in a second.
    #[must_use]
    pub fn new(per_second: u64, random: SharedRandom) -> Self {
        Self { state: Mutex::default(), work: Notify::new(), per_second, random }
    }

    /// Takes an order, in the place of the one before.
    pub fn order(&self, order: Order) {
        let mut state = self.state.lock();
        if state.order.as_ref() != Some(&order) {
            state.sent = vec![0; order.shares.len()];
            state.order = Some(order);
        }
        drop(state);
        self.work.notify_one();
    }

    /// Forgets the order. Clients that were told may still go.
    pub fn cancel(&self) {
        self.state.lock().order = None;
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let state = self.state.lock();
        let stayed = state.told.values().filter(|told| told.stays).count();
        Progress { is_moving: state.order.is_some(), pending: state.told.len() - stayed, stayed }
    }

    /// The task: moves clients whenever there is an order, until the server stops.
    pub async fn run(&self, connections: &Connections, clock: &SharedClock, metrics: &Metrics, tasks: &Tasks) {
        loop {
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.work.notified() => {}
            }
            // In thousandths of a client.
            let mut credit = 0;
            loop {
                let Some(per_second) = self.state.lock().order.as_ref().map(|order| order.per_second) else { break };
                let wait_ms = PORTION_MS / 2 + self.random.below(PORTION_MS);
                tokio::select! {
                    biased;
                    () = tasks.stopping() => return,
                    () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
                }
                credit += wait_ms * per_second.unwrap_or(self.per_second);
                let budget = usize::try_from(credit / 1000).unwrap_or(usize::MAX);
                credit %= 1000;
                self.tell(clock.now(), budget, connections, metrics);
            }
        }
    }

    fn tell(&self, now: Timestamp, budget: usize, connections: &Connections, metrics: &Metrics) {
        let mut state = self.state.lock();
        let portion = state.portion(now, budget, connections);
        if portion.is_done {
            state.order = None;
            state.candidates = VecDeque::new();
        }
        drop(state);
        metrics.clients_stayed.inc_by(portion.stayed);
        for Telling { id, to, is_again } in portion.tell {
            let Some(connection) = connections.get(&id) else { continue };
            debug!(connection = %id, redirect = ?to, is_again, "client told to go elsewhere");
            // A client that takes no messages cannot be told; detection will find it.
            connection.outbox.control(Control::Reset(to), None).ok();
            if is_again { &metrics.clients_told_again } else { &metrics.clients_told }.inc();
        }
        if portion.is_done {
            info!(clients = connections.sdk_len(), "clients moved");
        }
    }
}

#[cfg(test)]
mod tests;
