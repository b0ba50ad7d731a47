//! What happens because time passed: a held client is released, a silent one turns unhealthy and vanishes, an empty
//! service is no longer listed, a subscriber that no longer polls is forgotten (`polls.rs`).
//!
//! Pure: time comes in with `Tick`. Limits of silence equal Nacos's defaults, 15 s to unhealthy and 30 s to gone, both
//! exclusive. A beat moves no timer; a timer that fires too early sets itself again. What silence alone says is done only
//! if the verdict of the guard believes it ([`crate::guard`]); what is not believed is looked at again a second later.

use std::collections::BTreeSet;

use nacrite_base::{ClientId, InstanceKey, ServiceKey, Timestamp};

use crate::command::Lost;
use crate::effects::Effects;
use crate::registry::Registry;
use crate::service::Silence;

/// When silence that is in doubt is looked at again: at the next whole second, so that those who are believed gone at
/// last go together, and subscribers are told once.
fn doubted_until(now: Timestamp) -> Timestamp {
    Timestamp::from_ms((now.as_ms() / 1000 + 1) * 1000)
}

/// What may be due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The hold on a client whose connection broke ends.
    Release(ClientId),
    /// Time to look how long a client has been silent.
    Silence(ClientId, ServiceKey),
    /// An empty service leaves the list.
    Retire(ServiceKey),
    /// Time to look whether a subscriber without a connection still polls.
    Lapse(ClientId, ServiceKey),
}

/// All timers of a shard, by time.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Timestamp, Timer)>);

impl Timers {
    pub(crate) fn set(&mut self, at: Timestamp, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        if self.next()? <= now { self.0.pop_first() } else { None }
    }
}

/// What became of something that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// It was done, or is due later.
    Yes,
    /// It is to be known first what of silence may be believed.
    NoVerdict,
}

impl Registry {
    /// Does everything that is due at `now`; what needs a verdict that is not there stays due.
    pub(crate) fn expire(&mut self, now: Timestamp, effects: &mut Effects) {
        let mut undone = Vec::new();
        while let Some((at, timer)) = self.timers.pop_due(now) {
            let done = match &timer {
                Timer::Release(client) => self.release(now, client, effects),
                Timer::Silence(client, service) => self.judge(now, at, client, service, effects),
                Timer::Retire(service) => {
                    self.retire(now, service);
                    Done::Yes
                }
                // Asking again subscribes again, so silence needs no second look.
                Timer::Lapse(client, service) => {
                    self.lapse((now, at), client, service, effects);
                    Done::Yes
                }
            };
            if done == Done::NoVerdict {
                undone.push((at, timer));
            }
        }
        // A service that many left at once changed once.
        effects.changed.sort_unstable();
        effects.changed.dedup();
        effects.verdict_wanted |= !undone.is_empty();
        undone.into_iter().for_each(|(at, timer)| self.timers.set(at, timer));
    }

    /// Whether silence in `service` is believed; `None` if that is to be asked.
    fn believes(&self, now: Timestamp, service: &ServiceKey) -> Option<bool> {
        (now <= self.verdict.until).then(|| !self.verdict.doubt.covers(service))
    }

    fn release(&mut self, now: Timestamp, client: &ClientId, effects: &mut Effects) -> Done {
        let Some(known) = self.clients.get_mut(client) else {
            return Done::Yes;
        };
        let is_silent = known.lost == Some(Lost::Silent);
        let published = std::mem::take(&mut known.publishes);
        for key in published {
            let may_go = if is_silent { self.believes(now, &key) } else { Some(true) };
            if may_go == Some(true) {
                if let Some(service) = self.services.get_mut(&key) {
                    if service.release(now, client) {
                        effects.changed.push(key.clone());
                    }
                    if service.publishers.is_empty() {
                        effects.populated.push(key.clone());
                    }
                }
                effects.published.push((client.clone(), key.clone()));
                self.retire_later(now, &key);
            } else if let Some(known) = self.clients.get_mut(client) {
                known.publishes.insert(key);
            }
        }
        match self.clients.get(client) {
            Some(known) if !known.publishes.is_empty() => {
                if now > self.verdict.until {
                    return Done::NoVerdict;
                }
                self.timers.set(doubted_until(now), Timer::Release(client.clone()));
            }
            _ => {
                self.clients.remove(client);
            }
        }
        Done::Yes
    }

    /// Sets the first timer that looks for the silence of `client`.
    pub(crate) fn watch_beats(&mut self, now: Timestamp, client: &ClientId, key: &ServiceKey) {
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        if let Silence::Alive { next_check, .. } = service.judge_silence(now, client, true) {
            self.timers.set(next_check, Timer::Silence(client.clone(), key.clone()));
        }
    }

    /// What was laid over an instance may change how long it may be silent: who publishes it is looked at now, not when the
    /// limits of before would have it.
    pub(crate) fn rewatch_beats(&mut self, now: Timestamp, key: &ServiceKey, instance: &InstanceKey) {
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        for claim in service.claims.get(instance).into_iter().flatten() {
            if let Some(beats) = service.publishers.get_mut(&claim.client).and_then(|p| p.beats.as_mut()) {
                beats.next_check = now;
                self.timers.set(now, Timer::Silence(claim.client.clone(), key.clone()));
            }
        }
    }

    fn judge(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        client: &ClientId,
        key: &ServiceKey,
        effects: &mut Effects,
    ) -> Done {
        let believed = self.believes(now, key);
        let Some(service) = self.services.get_mut(key) else {
            return Done::Yes;
        };
        let beats = service.publishers.get(client).and_then(|p| p.beats.as_ref());
        if beats.is_none_or(|beats| beats.next_check != at) {
            return Done::Yes; // Deregistered, or registered anew with a timer of its own.
        }
        match service.judge_silence(now, client, believed.unwrap_or(false)) {
            Silence::Alive { changed, next_check } => {
                self.timers.set(next_check, Timer::Silence(client.clone(), key.clone()));
                if changed {
                    effects.changed.push(key.clone());
                }
            }
            Silence::Unproven if believed.is_none() => return Done::NoVerdict,
            Silence::Unproven => {
                service.check_again(client, doubted_until(now));
                self.timers.set(doubted_until(now), Timer::Silence(client.clone(), key.clone()));
            }
            Silence::TooLong => {
                service.withdraw(now, client);
                if service.publishers.is_empty() {
                    effects.populated.push(key.clone());
                }
                self.forget_publication(client, key);
                self.retire_later(now, key);
                effects.published.push((client.clone(), key.clone()));
                effects.changed.push(key.clone());
            }
        }
        Done::Yes
    }

    /// Sets the timer after which an empty service leaves the list, if it is empty and nobody created it by hand.
    pub(crate) fn retire_later(&mut self, now: Timestamp, key: &ServiceKey) {
        let Some(service) = self.services.get(key) else { return };
        if service.publishers.is_empty() && !service.is_created() {
            self.timers.set(now + self.rules.empty_service, Timer::Retire(key.clone()));
        }
    }

    fn retire(&mut self, now: Timestamp, key: &ServiceKey) {
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        let is_due = service.empty_since.is_some_and(|since| now.since(since) >= self.rules.empty_service);
        if is_due && !service.is_created() {
            service.kind = None;
            self.listed.remove(key);
            self.forget_if_unused(key);
        }
    }
}
