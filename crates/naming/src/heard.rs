//! What a restart knows, and who is heard: instances of an earlier run, and the questions of the guard.
//!
//! An instance that an earlier run knew is held like one whose connection fell silent; it gives way to the client that is
//! back, and goes when the guard believes its silence ([`crate::guard`]).

use std::sync::Arc;

use nacrite_base::{ClientId, Instance, InstanceKey, Kind, ServiceKey, Timestamp};

use crate::command::Lost;
use crate::effects::{Effects, Refusal};
use crate::expiry::Timer;
use crate::registry::Registry;
use crate::service::{Beaten, Left, Sign};

impl Registry {
    /// What an earlier run knew is shown as if the client had just fallen silent.
    pub(crate) fn remember(
        &mut self,
        now: Timestamp,
        client: &ClientId,
        key: &ServiceKey,
        instances: Vec<Instance>,
    ) -> Result<(), Refusal> {
        self.register(now, client, key, instances, Beaten::BeforeStart)?;
        if matches!(client, ClientId::Connection(_)) {
            // Held in this service alone: what it had in others is held already.
            if let Some(service) = self.services.get_mut(key) {
                service.hold(client);
            }
            self.clients.entry_ref(client).or_default().lost = Some(Lost::Silent);
            self.timers.set(now + self.rules.hold, Timer::Release(client.clone()));
        }
        Ok(())
    }

    /// Somebody who holds nothing of it says that an instance is gone.
    pub(crate) fn disown(&mut self, now: Timestamp, key: &ServiceKey, instance: &InstanceKey, effects: &mut Effects) {
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        for (client, left) in service.disown(now, instance) {
            if left == Left::Nothing {
                self.forget_publication(&client, key);
            }
            effects.published.push((client, key.clone()));
        }
        if !effects.published.is_empty() {
            if !self.is_populated(key) {
                effects.populated.push(key.clone());
            }
            effects.changed.push(key.clone());
            self.retire_later(now, key);
        }
    }

    // --- questions ---

    /// Tells of every service with ephemeral instances how many of those that are shown are heard, and how many are late.
    /// `is_heard` knows it of clients that hold a connection. Cost: one pass over the instances.
    pub fn count_heard(
        &self,
        now: Timestamp,
        is_heard: impl Fn(&ClientId) -> bool,
        mut tell: impl FnMut(&ServiceKey, usize, usize),
    ) {
        for service in self.services.values().filter(|service| service.kind == Some(Kind::Ephemeral)) {
            let (mut heard, mut late) = (0, 0);
            for client in service.shown_publishers() {
                match service.sign_of(now, client, self.clients.get(client).and_then(|known| known.lost), &is_heard) {
                    Sign::Heard => heard += 1,
                    Sign::Late => late += 1,
                    Sign::NotOwed => {}
                }
            }
            tell(&service.key, heard, late);
        }
    }

    /// What `client` publishes in `key`; empty if nothing.
    #[must_use]
    pub fn publication(&self, client: &ClientId, key: &ServiceKey) -> Vec<Arc<Instance>> {
        self.services.get(key).map(|service| service.publication(client)).unwrap_or_default()
    }

    /// Every client with each service in which it publishes.
    pub fn publications(&self) -> impl Iterator<Item = (&ClientId, &ServiceKey)> {
        self.clients.iter().flat_map(|(client, known)| known.publishes.iter().map(move |key| (client, key)))
    }
}
