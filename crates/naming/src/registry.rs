//! All services of one shard, and the one function that changes them.

use std::collections::{BTreeSet, btree_set};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use nacrite_base::{ClientId, GroupName, Instance, InstanceKey, Kind, NamespaceId, ServiceKey, ServiceName, Timestamp};

use crate::HashMap;
use crate::command::{Command, Lost, Override, ServiceMetadata, Subscription};
use crate::effects::{Effects, Refusal};
use crate::expiry::{Timer, Timers};
use crate::guard::Verdict;
use crate::service::{Beaten, Beats, Laid, Service};
use crate::view::ServiceView;

/// The times that the registry goes by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long instances of a broken connection stay, waiting for their client. 0 s to 60 s.
    pub hold: Duration,
    /// How long a service without instances stays listed. Nacos removes it 60 to 120 s after it became empty
    /// (recorded: `naming-empty-service-cleanup`).
    pub empty_service: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self { hold: Duration::from_millis(500), empty_service: Duration::from_secs(60) }
    }
}

/// What one client has in this shard.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) publishes: BTreeSet<ServiceKey>,
    pub(crate) subscribes: BTreeSet<ServiceKey>,
    /// How its connection ended; `None` while it has one, or needs none.
    pub(crate) lost: Option<Lost>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Services that are listed.
    pub services: usize,
    /// Instances, as they are shown.
    pub instances: usize,
    /// Subscriptions.
    pub subscriptions: usize,
}

/// All services of one shard.
#[derive(Debug)]
pub struct Registry {
    pub(crate) services: HashMap<ServiceKey, Service>,
    pub(crate) clients: HashMap<ClientId, Client>,
    pub(crate) listed: BTreeSet<ServiceKey>,
    pub(crate) timers: Timers,
    pub(crate) rules: Rules,
    pub(crate) verdict: Verdict,
    applied_at: Timestamp,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            services: HashMap::default(),
            clients: HashMap::default(),
            listed: BTreeSet::new(),
            timers: Timers::default(),
            rules,
            verdict: Verdict::BELIEVE,
            applied_at: Timestamp::default(),
        }
    }

    /// Applies one already checked command. A `now` before that of an earlier command counts as that one: callers read
    /// the clock before they hold the registry. Cost: O(instances the command names); `Tick` costs O(what is due).
    ///
    /// # Errors
    /// [`Refusal`] if the state does not allow it; then nothing changed.
    pub fn apply(&mut self, now: Timestamp, command: Command) -> Result<Effects, Refusal> {
        let now = now.max(self.applied_at);
        self.applied_at = now;
        let mut effects = Effects::default();
        match command {
            Command::Register { client, service, instances } => {
                let was_populated = self.is_populated(&service);
                self.register(now, &client, &service, instances, Beaten::NotYet)?;
                if !was_populated {
                    effects.populated.push(service.clone());
                }
                effects.published.push((client, service.clone()));
                effects.changed.push(service);
            }
            Command::Deregister { client, service } => {
                if self.deregister(now, &client, &service) {
                    if !self.is_populated(&service) {
                        effects.populated.push(service.clone());
                    }
                    effects.published.push((client, service.clone()));
                    effects.changed.push(service);
                }
            }
            Command::Disown { service, instance } => self.disown(now, &service, &instance, &mut effects),
            Command::Beat { client, service } => {
                let beaten = self.services.get_mut(&service).and_then(|s| s.beat(now, &client));
                match beaten {
                    Some(true) => effects.changed.push(service),
                    Some(false) => {}
                    None => return Err(Refusal::NotRegistered { client, service }),
                }
            }
            Command::Subscribe { client, service, subscription } => {
                if self.subscribe(now, &client, &service, subscription) {
                    effects.welcome = Some((client, service));
                }
            }
            Command::Unsubscribe { client, service } => {
                effects.unsubscribed = self.unsubscribe(&client, &service);
            }
            Command::ConnectionLost { client, lost } => self.connection_lost(now, &client, lost),
            Command::Remember { client, service, instances } => {
                let was_populated = self.is_populated(&service);
                self.remember(now, &client, &service, instances)?;
                if !was_populated {
                    effects.populated.push(service.clone());
                }
                effects.changed.push(service);
            }
            Command::Judge(verdict) => self.verdict = verdict,
            Command::SetMetadata { service, metadata } => {
                self.set_metadata(now, &service, metadata);
                effects.changed.push(service);
            }
            Command::SetOverride { service, instance, values } => {
                self.set_override(now, &service, &instance, values);
                effects.changed.push(service);
            }
            Command::SetHealth { client, service, healthy } => {
                if self.set_health(now, &client, &service, healthy)? {
                    effects.changed.push(service);
                }
            }
            Command::Tick => self.expire(now, &mut effects),
        }
        effects.wake_at = self.timers.next();
        debug_assert_eq!(self.violations(), Vec::<String>::new());
        Ok(effects)
    }

    pub(crate) fn service_mut(&mut self, now: Timestamp, key: &ServiceKey) -> &mut Service {
        self.services.entry_ref(key).or_insert_with(|| Service::new(key.clone(), now))
    }

    pub(crate) fn register(
        &mut self,
        now: Timestamp,
        client: &ClientId,
        key: &ServiceKey,
        instances: Vec<Instance>,
        beaten: Beaten,
    ) -> Result<(), Refusal> {
        let wanted = client.kind();
        if let Some(is) = self.services.get(key).and_then(|s| s.kind).filter(|is| *is != wanted) {
            return Err(Refusal::WrongKind { service: key.clone(), is, wanted });
        }
        let beats = matches!(client, ClientId::Address { kind: Kind::Ephemeral, .. }).then_some(Beats {
            last: now,
            next_check: now,
            beaten,
        });
        let must_beat = beats.is_some();
        let service = self.service_mut(now, key);
        service.kind = Some(wanted);
        service.publish(now, client, instances, beats);
        let key = service.key.clone();
        if must_beat {
            self.watch_beats(now, client, &key);
        }
        if !self.listed.contains(&key) {
            self.listed.insert(key.clone());
        }
        self.clients.entry_ref(client).or_default().publishes.insert(key);
        Ok(())
    }

    fn deregister(&mut self, now: Timestamp, client: &ClientId, key: &ServiceKey) -> bool {
        let Some(service) = self.services.get_mut(key) else {
            return false;
        };
        let had = service.withdraw(now, client);
        if had {
            self.forget_publication(client, key);
            self.retire_later(now, key);
        }
        had
    }

    pub(crate) fn forget_publication(&mut self, client: &ClientId, key: &ServiceKey) {
        if let Some(known) = self.clients.get_mut(client) {
            known.publishes.remove(key);
            if known.publishes.is_empty() && known.subscribes.is_empty() {
                self.clients.remove(client);
            }
        }
    }

    /// Returns whether the subscription is new for the client.
    fn subscribe(&mut self, now: Timestamp, client: &ClientId, key: &ServiceKey, subscription: Subscription) -> bool {
        if matches!(client, ClientId::Address { .. }) {
            return self.poll(now, client, key, subscription);
        }
        let service = self.service_mut(now, key);
        let is_new = service.subscribers.insert(client.clone(), subscription).is_none();
        let key = service.key.clone();
        self.clients.entry_ref(client).or_default().subscribes.insert(key);
        is_new
    }

    /// Returns whether there was a subscription.
    pub(crate) fn unsubscribe(&mut self, client: &ClientId, key: &ServiceKey) -> bool {
        let removed = self.services.get_mut(key).and_then(|service| {
            service.polls.remove(client);
            service.subscribers.remove(client)
        });
        if let Some(known) = self.clients.get_mut(client) {
            known.subscribes.remove(key);
            if known.publishes.is_empty() && known.subscribes.is_empty() {
                self.clients.remove(client);
            }
        }
        self.forget_if_unused(key);
        removed.is_some()
    }

    fn connection_lost(&mut self, now: Timestamp, client: &ClientId, lost: Lost) {
        let Some(known) = self.clients.get_mut(client) else {
            return;
        };
        known.lost = Some(lost);
        let subscribes = std::mem::take(&mut known.subscribes);
        let publishes = known.publishes.clone();
        for key in &subscribes {
            if let Some(service) = self.services.get_mut(key) {
                service.subscribers.remove(client);
            }
            self.forget_if_unused(key);
        }
        if publishes.is_empty() {
            self.clients.remove(client);
            return;
        }
        for key in &publishes {
            if let Some(service) = self.services.get_mut(key) {
                service.hold(client);
            }
        }
        self.timers.set(now + self.rules.hold, Timer::Release(client.clone()));
    }

    fn set_metadata(&mut self, now: Timestamp, key: &ServiceKey, metadata: Option<Arc<ServiceMetadata>>) {
        let is_created = metadata.as_ref().is_some_and(|m| m.created);
        let is_gone = metadata.is_none();
        let service = self.service_mut(now, key);
        if let Some(metadata) = &metadata {
            service.kind = service.kind.or(Some(metadata.kind));
        }
        service.metadata = metadata;
        service.touch(now);
        let is_empty = service.publishers.is_empty();
        if is_created {
            self.listed.insert(key.clone());
        } else if is_gone && is_empty {
            // Deleted by hand: gone at once, not after the time of an empty service.
            self.listed.remove(key);
            if let Some(service) = self.services.get_mut(key) {
                service.kind = None;
            }
            self.forget_if_unused(key);
        }
    }

    fn set_override(
        &mut self,
        now: Timestamp,
        key: &ServiceKey,
        instance: &InstanceKey,
        values: Option<Arc<Override>>,
    ) {
        let service = self.service_mut(now, key);
        match values {
            Some(values) => {
                let orphan_since = (!service.claims.contains_key(instance)).then_some(now);
                service.overrides.insert(instance.clone(), Laid { values, orphan_since });
            }
            None => {
                service.overrides.remove(instance);
            }
        }
        service.touch(now);
        self.rewatch_beats(now, key, instance);
        self.forget_if_unused(key);
    }

    pub(crate) fn forget_if_unused(&mut self, key: &ServiceKey) {
        if !self.listed.contains(key) && self.services.get(key).is_some_and(Service::is_forgettable) {
            self.services.remove(key);
        }
    }

    // --- questions ---

    /// The service as it looks now; `None` if nothing is known of it.
    pub fn view(&mut self, now: Timestamp, key: &ServiceKey) -> Option<Arc<ServiceView>> {
        let now = now.max(self.applied_at);
        self.services.get_mut(key).map(|service| service.view(now))
    }

    /// Everybody who wants to know of `key`, ordered by client.
    pub fn subscribers(&self, key: &ServiceKey) -> impl Iterator<Item = (&ClientId, &Subscription)> {
        self.services.get(key).into_iter().flat_map(|s| &s.subscribers)
    }

    /// What `client` asked to know of `key`.
    #[must_use]
    pub fn subscription(&self, client: &ClientId, key: &ServiceKey) -> Option<&Subscription> {
        self.services.get(key)?.subscribers.get(client)
    }

    /// When `client`, which has no connection, last asked for `key`.
    #[must_use]
    pub fn polled_at(&self, client: &ClientId, key: &ServiceKey) -> Option<Timestamp> {
        self.services.get(key)?.polls.get(client).map(|polls| polls.last)
    }

    /// Who publishes in `key`, with what each publishes.
    pub fn publishers(&self, key: &ServiceKey) -> impl Iterator<Item = (&ClientId, &Arc<Instance>)> {
        let claims = self.services.get(key).into_iter().flat_map(|s| s.claims.values().flatten());
        claims.map(|claim| (&claim.client, &claim.instance))
    }

    /// What an operator set for the service.
    #[must_use]
    pub fn metadata(&self, key: &ServiceKey) -> Option<&Arc<ServiceMetadata>> {
        self.services.get(key)?.metadata.as_ref()
    }

    /// What an operator laid over an instance.
    #[must_use]
    pub fn override_of(&self, key: &ServiceKey, instance: &InstanceKey) -> Option<&Arc<Override>> {
        self.services.get(key)?.overrides.get(instance).map(|laid| &laid.values)
    }

    /// Whether somebody publishes in the service, if only held. This is what a fuzzy watch sees: a service that is merely
    /// subscribed to, or still listed without instances, is not there (recorded: `naming-fuzzy-change`).
    #[must_use]
    pub fn is_populated(&self, key: &ServiceKey) -> bool {
        self.services.get(key).is_some_and(|service| !service.publishers.is_empty())
    }

    /// The services of a namespace in which somebody publishes, ordered.
    pub fn populated(&self, namespace: &str) -> impl Iterator<Item = &ServiceKey> {
        let first = ServiceKey {
            namespace: NamespaceId::from_stored(namespace),
            group: GroupName::from_stored(""),
            name: ServiceName::from_stored(""),
        };
        let namespace = first.namespace.clone();
        let inside = self.listed.range(first..).take_while(move |key| key.namespace == namespace);
        inside.filter(|key| self.is_populated(key))
    }

    /// Whether the service is listed: somebody registered in it, or created it.
    #[must_use]
    pub fn is_listed(&self, key: &ServiceKey) -> bool {
        self.listed.contains(key)
    }

    /// Names of the listed services of one group, ordered.
    pub fn list_group(&self, namespace: &NamespaceId, group: &GroupName) -> impl Iterator<Item = &ServiceName> {
        let first =
            ServiceKey { namespace: namespace.clone(), group: group.clone(), name: ServiceName::from_stored("") };
        let (namespace, group) = (namespace.clone(), group.clone());
        self.listed
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(move |key| key.namespace == namespace && key.group == group)
            .map(|key| &key.name)
    }

    /// All listed services, ordered.
    pub fn list(&self) -> btree_set::Iter<'_, ServiceKey> {
        self.listed.iter()
    }

    /// The services in which `client` publishes, and those to which it subscribes.
    pub fn of_client(&self, client: &ClientId) -> (Vec<ServiceKey>, Vec<ServiceKey>) {
        let known = self.clients.get(client);
        known.map_or_else(Default::default, |known| {
            (known.publishes.iter().cloned().collect(), known.subscribes.iter().cloned().collect())
        })
    }

    /// All clients that have something here.
    pub fn clients(&self) -> impl Iterator<Item = &ClientId> {
        self.clients.keys()
    }

    /// Overrides whose instance has been gone for longer than `older_than`.
    pub fn orphan_overrides(&self, now: Timestamp, older_than: Duration) -> Vec<(ServiceKey, InstanceKey)> {
        let all = self.services.values().flat_map(|s| s.overrides.iter().map(move |(key, laid)| (s, key, laid)));
        let orphans = all.filter(|(_, _, laid)| laid.orphan_since.is_some_and(|since| now.since(since) > older_than));
        orphans.map(|(service, key, _)| (service.key.clone(), key.clone())).collect()
    }

    /// Since when an instance that has values laid over it is gone; `None` if it is there, or has none.
    #[must_use]
    pub fn orphan_since(&self, key: &ServiceKey, instance: &InstanceKey) -> Option<Timestamp> {
        self.services.get(key)?.overrides.get(instance)?.orphan_since
    }

    /// Services that are no longer listed but still have settings, which nobody will miss.
    pub fn orphan_metadata(&self) -> Vec<ServiceKey> {
        let all = self.services.values().filter(|s| s.metadata.as_ref().is_some_and(|m| !m.created));
        all.map(|s| &s.key).filter(|key| !self.listed.contains(*key)).cloned().collect()
    }

    /// How much there is. Cost: one pass over the services.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            services: self.listed.len(),
            instances: self.services.values().map(|s| s.claims.len()).sum(),
            subscriptions: self.services.values().map(|s| s.subscribers.len()).sum(),
        }
    }

    /// When [`Command::Tick`] has something to do next.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}
