//! The state of one service: who claims which instance, who wants to know, what an operator set.
//!
//! Two clients may claim one instance while a program moves from one connection to the next. The newest claim is the
//! one that is shown; a claim that is only held gives way to it for good.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nacrite_base::{ClientId, Instance, InstanceKey, Kind, Rendered, ServiceKey, Timestamp};
use smallvec::SmallVec;

use crate::HashMap;
use crate::command::{Lost, Override, ServiceMetadata, Subscription};
use crate::polls::Polls;
use crate::view::ServiceView;

/// That a client says an instance exists.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) client: ClientId,
    /// Order of the claims of this service; the highest is shown.
    pub(crate) stamp: u64,
    /// The client's connection broke; the claim is kept for a moment.
    pub(crate) held: bool,
    pub(crate) instance: Arc<Instance>,
}

/// What one client publishes here.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) keys: SmallVec<[InstanceKey; 1]>,
    pub(crate) beats: Option<Beats>,
}

/// The heart-beats of a client that is known by its address.
#[derive(Debug)]
pub(crate) struct Beats {
    pub(crate) last: Timestamp,
    /// The timer that counts; an older one that fires later is ignored.
    pub(crate) next_check: Timestamp,
    pub(crate) beaten: Beaten,
}

/// Whether a client was ever heard to beat. Who never did cannot have fallen silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beaten {
    /// It registered, and owes the first beat.
    NotYet,
    /// An earlier run knew it.
    BeforeStart,
    /// It beats.
    Yes,
}

/// Whether somebody has anything left in a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Something,
    Nothing,
}

/// What is heard of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It lives.
    Heard,
    /// Nothing, for longer than is usual.
    Late,
    /// It owes none: it never beat, or its connection is known to be closed.
    NotOwed,
}

/// What the silence of a client led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing yet, or the instances turned unhealthy; look again at this time.
    Alive { changed: bool, next_check: Timestamp },
    /// Too long: the client's instances are to be removed.
    TooLong,
    /// Long enough to act, if it is believed.
    Unproven,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) key: ServiceKey,
    pub(crate) kind: Option<Kind>,
    pub(crate) publishers: HashMap<ClientId, Publisher>,
    pub(crate) claims: BTreeMap<InstanceKey, SmallVec<[Claim; 1]>>,
    pub(crate) subscribers: BTreeMap<ClientId, Subscription>,
    /// The subscribers among them that have no connection.
    pub(crate) polls: BTreeMap<ClientId, Polls>,
    pub(crate) metadata: Option<Arc<ServiceMetadata>>,
    pub(crate) overrides: BTreeMap<InstanceKey, Laid>,
    /// When the last publisher left; `None` while there is one.
    pub(crate) empty_since: Option<Timestamp>,
    revision: u64,
    changed_at: Timestamp,
    ref_time: Timestamp,
    view: Option<Arc<ServiceView>>,
}

/// Values that an operator laid over an instance.
#[derive(Debug)]
pub(crate) struct Laid {
    pub(crate) values: Arc<Override>,
    /// When the instance was last seen without a claim; `None` while it has one.
    pub(crate) orphan_since: Option<Timestamp>,
}

impl Service {
    pub(crate) fn new(key: ServiceKey, now: Timestamp) -> Self {
        Self {
            key,
            kind: None,
            publishers: HashMap::default(),
            claims: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            polls: BTreeMap::new(),
            metadata: None,
            overrides: BTreeMap::new(),
            empty_since: Some(now),
            revision: 0,
            changed_at: now,
            ref_time: Timestamp::default(),
            view: None,
        }
    }

    /// Notes that something visible changed.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.revision += 1;
        self.changed_at = now;
        self.view = None;
    }

    /// `client` publishes `instances` instead of what it published before.
    pub(crate) fn publish(
        &mut self,
        now: Timestamp,
        client: &ClientId,
        instances: Vec<Instance>,
        beats: Option<Beats>,
    ) {
        self.remove_claims(client, now);
        let mut keys = SmallVec::with_capacity(instances.len());
        for instance in instances {
            let claims = self.claims.entry(instance.key.clone()).or_default();
            claims.retain(|claim| !claim.held && claim.client != *client);
            if let Some(laid) = self.overrides.get_mut(&instance.key) {
                laid.orphan_since = None;
            }
            keys.push(instance.key.clone());
            let claim =
                Claim { client: client.clone(), stamp: self.revision + 1, held: false, instance: instance.into() };
            claims.push(claim);
        }
        self.publishers.insert(client.clone(), Publisher { keys, beats });
        self.empty_since = None;
        self.touch(now);
    }

    /// `client` publishes nothing any more. Returns whether it had published anything.
    pub(crate) fn withdraw(&mut self, now: Timestamp, client: &ClientId) -> bool {
        let removed = self.remove_claims(client, now).is_some();
        if removed {
            self.after_removal(now);
            self.touch(now);
        }
        removed
    }

    /// The connection of `client` broke: what it claims stays visible, but gives way to any newer claim.
    pub(crate) fn hold(&mut self, client: &ClientId) {
        let Some(publisher) = self.publishers.get(client) else {
            return;
        };
        for key in &publisher.keys {
            let Some(claims) = self.claims.get_mut(key) else { continue };
            let newest_live = claims.iter().filter(|claim| !claim.held).map(|claim| claim.stamp).max();
            // A claim that a live one hides already would come to light when that one is withdrawn.
            claims.retain(|claim| claim.held || claim.client != *client || Some(claim.stamp) == newest_live);
            for claim in claims.iter_mut().filter(|claim| claim.client == *client) {
                claim.held = true;
            }
        }
    }

    /// Removes what is only held of an instance. Returns whose it was, and whether they have anything else here.
    pub(crate) fn disown(&mut self, now: Timestamp, key: &InstanceKey) -> Vec<(ClientId, Left)> {
        let Some(claims) = self.claims.get_mut(key) else {
            return Vec::new();
        };
        let owners: Vec<ClientId> =
            claims.iter().filter(|claim| claim.held).map(|claim| claim.client.clone()).collect();
        claims.retain(|claim| !claim.held);
        let is_unclaimed = claims.is_empty();
        if owners.is_empty() {
            return Vec::new();
        }
        if is_unclaimed {
            self.unclaim(key, now);
        }
        let disowned = owners.into_iter().map(|client| {
            let Some(publisher) = self.publishers.get_mut(&client) else {
                return (client, Left::Nothing);
            };
            publisher.keys.retain(|other| other != key);
            let left = if publisher.keys.is_empty() { Left::Nothing } else { Left::Something };
            if left == Left::Nothing {
                self.publishers.remove(&client);
            }
            (client, left)
        });
        let disowned = disowned.collect();
        self.after_removal(now);
        self.touch(now);
        disowned
    }

    /// Nobody claims the instance any more.
    fn unclaim(&mut self, key: &InstanceKey, now: Timestamp) {
        self.claims.remove(key);
        if let Some(laid) = self.overrides.get_mut(key) {
            laid.orphan_since = Some(now);
        }
    }

    /// The hold on `client` ended. Returns whether something vanished with it.
    pub(crate) fn release(&mut self, now: Timestamp, client: &ClientId) -> bool {
        let vanished = self.remove_claims(client, now).unwrap_or(false);
        self.after_removal(now);
        if vanished {
            self.touch(now);
        }
        vanished
    }

    /// Removes the publisher and its claims. `None` if there was no publisher, else whether a claim was removed.
    fn remove_claims(&mut self, client: &ClientId, now: Timestamp) -> Option<bool> {
        let publisher = self.publishers.remove(client)?;
        let mut removed = publisher.keys.is_empty();
        for key in publisher.keys {
            let Some(claims) = self.claims.get_mut(&key) else {
                continue;
            };
            let before = claims.len();
            claims.retain(|claim| claim.client != *client);
            removed |= claims.len() < before;
            if claims.is_empty() {
                self.unclaim(&key, now);
            }
        }
        Some(removed)
    }

    fn after_removal(&mut self, now: Timestamp) {
        if self.publishers.is_empty() && self.empty_since.is_none() {
            self.empty_since = Some(now);
        }
    }

    /// A sign of life of `client`. `None` if it publishes nothing here, else whether an instance became healthy.
    pub(crate) fn beat(&mut self, now: Timestamp, client: &ClientId) -> Option<bool> {
        let beats = self.publishers.get_mut(client)?.beats.as_mut()?;
        beats.last = now;
        beats.beaten = Beaten::Yes;
        let changed = self.set_health(client, true);
        if changed {
            self.touch(now);
        }
        Some(changed)
    }

    /// Looks how long `client` has been silent. Both limits are exclusive: at 15 s sharp an instance is still healthy.
    /// Nothing happens that would be said by silence alone unless it is `believed`.
    pub(crate) fn judge_silence(&mut self, now: Timestamp, client: &ClientId, believed: bool) -> Silence {
        const STEP: Duration = Duration::from_millis(1);
        let (timeout, delete_after) = self.silence_limits(client);
        let Some(beats) = self.publishers.get(client).and_then(|p| p.beats.as_ref()) else {
            return Silence::TooLong;
        };
        let last = beats.last;
        let silence = now.since(last);
        if silence > timeout.min(delete_after) && beats.beaten != Beaten::NotYet && !believed {
            return Silence::Unproven;
        }
        if silence > delete_after {
            return Silence::TooLong;
        }
        let changed = silence > timeout && self.set_health(client, false);
        if changed {
            self.touch(now);
        }
        let next_check =
            if silence > timeout { last + delete_after + STEP } else { last + timeout.min(delete_after) + STEP };
        self.check_again(client, next_check);
        Silence::Alive { changed, next_check }
    }

    /// Notes when the silence of `client` is looked at next.
    pub(crate) fn check_again(&mut self, client: &ClientId, at: Timestamp) {
        if let Some(beats) = self.publishers.get_mut(client).and_then(|p| p.beats.as_mut()) {
            beats.next_check = at;
        }
    }

    /// The client behind each instance that is shown.
    pub(crate) fn shown_publishers(&self) -> impl Iterator<Item = &ClientId> {
        self.claims.values().filter_map(|claims| claims.iter().max_by_key(|c| c.stamp)).map(|claim| &claim.client)
    }

    /// What is heard of a publisher whose connection ended as `lost` says.
    pub(crate) fn sign_of(
        &self,
        now: Timestamp,
        client: &ClientId,
        lost: Option<Lost>,
        is_heard: impl Fn(&ClientId) -> bool,
    ) -> Sign {
        match (client, lost) {
            (_, Some(Lost::Closed)) => Sign::NotOwed,
            (_, Some(Lost::Silent)) => Sign::Late,
            (ClientId::Connection(_), None) => {
                if is_heard(client) {
                    Sign::Heard
                } else {
                    Sign::Late
                }
            }
            (ClientId::Address { .. }, None) => {
                let Some(beats) = self.publishers.get(client).and_then(|p| p.beats.as_ref()) else {
                    return Sign::NotOwed;
                };
                let (timeout, delete_after) = self.silence_limits(client);
                match beats.beaten {
                    Beaten::NotYet => Sign::NotOwed,
                    Beaten::Yes if now.since(beats.last) * 2 <= timeout.min(delete_after) => Sign::Heard,
                    Beaten::Yes | Beaten::BeforeStart => Sign::Late,
                }
            }
        }
    }

    /// What `client` publishes.
    pub(crate) fn publication(&self, client: &ClientId) -> Vec<Arc<Instance>> {
        let keys = self.publishers.get(client).into_iter().flat_map(|publisher| &publisher.keys);
        let claims = keys.filter_map(|key| self.claims.get(key)?.iter().find(|claim| claim.client == *client));
        claims.map(|claim| Arc::clone(&claim.instance)).collect()
    }

    /// When an instance of `client` turns unhealthy and when it is removed, by its metadata or an operator's.
    fn silence_limits(&self, client: &ClientId) -> (Duration, Duration) {
        let key = self.publishers.get(client).and_then(|p| p.keys.first());
        let shown = key.and_then(|key| {
            let claim = self.claims.get(key)?.iter().find(|c| c.client == *client)?;
            Some(self.effective(&claim.instance).metadata.clone())
        });
        let metadata = shown.unwrap_or_default();
        (metadata.beat_timeout(), metadata.delete_timeout())
    }

    pub(crate) fn set_health(&mut self, client: &ClientId, healthy: bool) -> bool {
        let Some(publisher) = self.publishers.get(client) else {
            return false;
        };
        let mut changed = false;
        for key in &publisher.keys {
            for claim in self.claims.get_mut(key).into_iter().flatten() {
                if claim.client == *client && claim.instance.healthy != healthy {
                    Arc::make_mut(&mut claim.instance).healthy = healthy;
                    changed = true;
                }
            }
        }
        changed
    }

    /// The instance as it is shown: values of an operator win.
    fn effective(&self, instance: &Arc<Instance>) -> Arc<Instance> {
        let Some(Laid { values, .. }) = self.overrides.get(&instance.key) else {
            return Arc::clone(instance);
        };
        Arc::new(Instance {
            weight: values.weight.unwrap_or(instance.weight),
            enabled: values.enabled.unwrap_or(instance.enabled),
            metadata: instance.metadata.overlaid(&values.metadata),
            ..(**instance).clone()
        })
    }

    /// The service as it looks now. Cost: one pass over the instances for the first caller after a change, then nothing.
    pub(crate) fn view(&mut self, now: Timestamp) -> Arc<ServiceView> {
        if let Some(view) = &self.view {
            return Arc::clone(view);
        }
        let newest = self.claims.values().filter_map(|claims| claims.iter().max_by_key(|c| c.stamp));
        let instances = newest.map(|claim| self.effective(&claim.instance)).collect();
        self.ref_time = now.max(self.ref_time + Duration::from_millis(1));
        let view = Arc::new(ServiceView {
            key: self.key.clone(),
            kind: self.kind,
            revision: self.revision,
            changed_at: self.changed_at,
            ref_time: self.ref_time,
            instances,
            protect_threshold: self.metadata.as_ref().map(|m| m.protect_threshold),
            rendered: Rendered::default(),
        });
        self.view = Some(Arc::clone(&view));
        view
    }

    /// Whether somebody created the service by hand.
    pub(crate) fn is_created(&self) -> bool {
        self.metadata.as_ref().is_some_and(|m| m.created)
    }

    /// Whether nothing at all is known of the service any more.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.publishers.is_empty()
            && self.subscribers.is_empty()
            && self.metadata.is_none()
            && self.overrides.is_empty()
    }
}
