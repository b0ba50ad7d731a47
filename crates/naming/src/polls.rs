//! Subscribers without a connection: clients of the first generation, which ask for a service again and again, say where
//! they can be told in between, and never say that they are through.
//!
//! Each service that such a client asks for is a subscription of its own and lapses on its own, so that a client that is
//! through with one service is no longer told of it while it goes on with others. A poll moves no timer; a timer that
//! fires too early sets itself again.

use std::time::Duration;

use nacrite_base::{ClientId, ServiceKey, Timestamp};

use crate::command::Subscription;
use crate::effects::Effects;
use crate::expiry::Timer;
use crate::registry::Registry;

/// A subscription that was not repeated for longer than this is over. Nacos forgets a client that only subscribes after
/// the same time (`reference/semantics.md`, 2.8). Clients ask every 10 s, so two polls may be lost.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The limit is exclusive, as that of beats.
const STEP: Duration = Duration::from_millis(1);

/// How a subscriber asks for its service.
#[derive(Debug)]
pub(crate) struct Polls {
    pub(crate) last: Timestamp,
    /// The timer that counts; an older one that fires later is ignored.
    pub(crate) next_check: Timestamp,
}

impl Registry {
    /// `client` asked for `key`. Returns whether it had not asked before, or not for too long.
    pub(crate) fn poll(
        &mut self,
        now: Timestamp,
        client: &ClientId,
        key: &ServiceKey,
        subscription: Subscription,
    ) -> bool {
        let service = self.service_mut(now, key);
        if let Some(polls) = service.polls.get_mut(client) {
            polls.last = now;
            if let Some(known) = service.subscribers.get_mut(client).filter(|known| **known != subscription) {
                *known = subscription;
            }
            return false;
        }
        let next_check = now + SILENCE_MAX + STEP;
        service.polls.insert(client.clone(), Polls { last: now, next_check });
        service.subscribers.insert(client.clone(), subscription);
        let key = service.key.clone();
        self.timers.set(next_check, Timer::Lapse(client.clone(), key.clone()));
        self.clients.entry_ref(client).or_default().subscribes.insert(key);
        true
    }

    /// A timer of `client` fired at the second of the times; it is now the first of them.
    pub(crate) fn lapse(
        &mut self,
        (now, at): (Timestamp, Timestamp),
        client: &ClientId,
        key: &ServiceKey,
        effects: &mut Effects,
    ) {
        let Some(polls) = self.services.get_mut(key).and_then(|service| service.polls.get_mut(client)) else {
            return;
        };
        if polls.next_check != at {
            return; // It lapsed, and came back with a timer of its own.
        }
        let due = polls.last + SILENCE_MAX + STEP;
        if due > now {
            polls.next_check = due;
            self.timers.set(due, Timer::Lapse(client.clone(), key.clone()));
            return;
        }
        self.unsubscribe(client, key);
        effects.lapsed += 1;
    }
}
