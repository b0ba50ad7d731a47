//! What happens because time passed: a held client is released, a silent one turns unhealthy and vanishes, an empty
//! service is no longer listed.
//!
//! Pure: time comes in with `Tick`. Limits of silence equal Nacos's defaults, 15 s to unhealthy and 30 s to gone, both
//! exclusive. A beat moves no timer; a timer that fires too early sets itself again.

use std::collections::BTreeSet;

use nacrite_base::{ClientId, ServiceKey, Timestamp};

use crate::effects::Effects;
use crate::registry::Registry;
use crate::service::Silence;

/// What may be due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The hold on a client whose connection broke ends.
    Release(ClientId),
    /// Time to look how long a client has been silent.
    Silence(ClientId, ServiceKey),
    /// An empty service leaves the list.
    Retire(ServiceKey),
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

impl Registry {
    /// Does everything that is due at `now`.
    pub(crate) fn expire(&mut self, now: Timestamp, effects: &mut Effects) {
        while let Some((at, timer)) = self.timers.pop_due(now) {
            match timer {
                Timer::Release(client) => self.release(now, &client, effects),
                Timer::Silence(client, service) => self.judge(now, at, &client, service, effects),
                Timer::Retire(service) => self.retire(now, &service),
            }
        }
    }

    fn release(&mut self, now: Timestamp, client: &ClientId, effects: &mut Effects) {
        let Some(known) = self.clients.remove(client) else {
            return;
        };
        for key in known.publishes {
            let Some(service) = self.services.get_mut(&key) else {
                continue;
            };
            if service.release(now, client) {
                effects.changed.push(key.clone());
            }
            if service.publishers.is_empty() {
                effects.populated.push(key.clone());
            }
            self.retire_later(now, &key);
        }
    }

    /// Sets the first timer that looks for the silence of `client`.
    pub(crate) fn watch_beats(&mut self, now: Timestamp, client: &ClientId, key: &ServiceKey) {
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        if let Silence::Alive { next_check, .. } = service.judge_silence(now, client) {
            self.timers.set(next_check, Timer::Silence(client.clone(), key.clone()));
        }
    }

    fn judge(&mut self, now: Timestamp, at: Timestamp, client: &ClientId, key: ServiceKey, effects: &mut Effects) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let beats = service.publishers.get(client).and_then(|p| p.beats.as_ref());
        if beats.is_none_or(|beats| beats.next_check != at) {
            return; // Deregistered, or registered anew with a timer of its own.
        }
        match service.judge_silence(now, client) {
            Silence::Alive { changed, next_check } => {
                self.timers.set(next_check, Timer::Silence(client.clone(), key.clone()));
                if changed {
                    effects.changed.push(key);
                }
            }
            Silence::TooLong => {
                service.withdraw(now, client);
                if service.publishers.is_empty() {
                    effects.populated.push(key.clone());
                }
                self.forget_publication(client, &key);
                self.retire_later(now, &key);
                effects.changed.push(key);
            }
        }
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
