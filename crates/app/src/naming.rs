//! What can be done with services and instances, whichever edge asks.

mod health;
mod operator;
mod overrides;
mod polling;
mod snowflake;

use std::sync::Arc;
use std::time::Duration;

use nacrite_base::{
    ClientId, Fault, GroupName, IdRule, Instance, InstanceKey, Kind, NamespaceId, NewInstance, ServiceKey, ServiceName,
    Switches,
};
use nacrite_env::SharedClock;
use nacrite_naming::durable::address_client;
use nacrite_naming::{Command, DurableCommand, Refusal, ServiceView, Subscription};

use crate::connections::Connection;
use crate::limits::PAGE_SIZE_MAX;
use crate::machine::DurableWrite;
use crate::owner::registry::Shards;
use crate::push::settle::Settle;
use crate::switches::SwitchBoard;
use crate::writes::Writes;

pub use health::{HealthCases, ShownCheck};
pub use operator::{ClientCounts, InstancePatch, ServiceSettings, Subscribed, client_named};
pub use overrides::{Edited, MetadataEdit};
pub use polling::Poll;
use snowflake::Snowflake;

/// The naming use cases.
#[derive(Clone, Debug)]
pub struct Naming {
    shards: Arc<Shards>,
    settle: Arc<Settle>,
    writes: Writes,
    snowflake: Arc<Snowflake>,
    edits: Arc<overrides::Edits>,
    switches: Arc<SwitchBoard>,
}

/// What came of a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beaten {
    /// The instance is known and lives.
    Alive {
        /// How often its client is to beat, if the instance says it.
        interval: Option<Duration>,
    },
    /// The instance is not known; its client must register it again.
    Unknown,
}

/// One page of names, and how many there are in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Names in all.
    pub count: usize,
    /// Names on the page.
    pub names: Vec<ServiceName>,
}

impl Naming {
    /// The use cases over a registry. `worker` is the part of a node in generated ids.
    #[must_use]
    pub fn new(
        shards: Arc<Shards>,
        settle: Arc<Settle>,
        writes: Writes,
        switches: Arc<SwitchBoard>,
        clock: SharedClock,
        worker: u64,
    ) -> Self {
        let snowflake = Arc::new(Snowflake::new(clock, worker));
        Self { shards, settle, writes, snowflake, edits: Arc::default(), switches }
    }

    /// The switches as they are now.
    #[must_use]
    pub fn switches(&self) -> Arc<Switches> {
        self.switches.current()
    }

    /// Which kind an instance is that does not say it (`defaultInstanceEphemeral`).
    #[must_use]
    pub fn default_kind(&self) -> Kind {
        if self.switches().default_ephemeral { Kind::Ephemeral } else { Kind::Persistent }
    }

    // --- clients that hold a connection ---

    /// The client of a connection publishes these instances in a service, instead of what it published there before.
    ///
    /// # Errors
    /// [`Fault::NoNamingClient`] or [`Fault::WrongKind`].
    pub fn register(&self, by: &Connection, service: &ServiceKey, new: Vec<NewInstance>) -> Result<(), Fault> {
        let client = naming_client(by)?;
        let instances = new.into_iter().map(|new| self.named(new, service)).collect();
        let register = Command::Register { client, service: service.clone(), instances };
        self.apply_of(by, service, register)
    }

    /// The client of a connection publishes nothing in a service any more. Acts at once, also on the instance that it
    /// `named` and had registered by a connection that broke, or with an earlier run of the server.
    ///
    /// # Errors
    /// [`Fault::NoNamingClient`].
    pub fn deregister(&self, by: &Connection, service: &ServiceKey, named: Option<InstanceKey>) -> Result<(), Fault> {
        let client = naming_client(by)?;
        self.apply_of(by, service, Command::Deregister { client, service: service.clone() })?;
        match named {
            Some(instance) => self.apply_of(by, service, Command::Disown { service: service.clone(), instance }),
            None => Ok(()),
        }
    }

    /// The client of a connection wants to be told of a service. Returns what it looks like now.
    ///
    /// # Errors
    /// [`Fault::NoNamingClient`], or [`Fault::OverLimit`] for too many subscriptions.
    pub fn subscribe(
        &self,
        by: &Connection,
        service: &ServiceKey,
        subscription: Subscription,
    ) -> Result<Arc<ServiceView>, Fault> {
        let client = naming_client(by)?;
        by.check_interests()?;
        // Subscribed before looking, so that no change falls in between.
        self.apply_of(by, service, Command::Subscribe { client, service: service.clone(), subscription })?;
        let view = self.shards.view(service);
        by.outbox.answered_with(service, view.revision);
        Ok(view)
    }

    /// The client of a connection no longer wants to be told.
    ///
    /// # Errors
    /// [`Fault::NoNamingClient`].
    pub fn unsubscribe(&self, by: &Connection, service: &ServiceKey) -> Result<Arc<ServiceView>, Fault> {
        let client = naming_client(by)?;
        self.apply_of(by, service, Command::Unsubscribe { client, service: service.clone() })?;
        Ok(self.shards.view(service))
    }

    fn apply_of(&self, by: &Connection, service: &ServiceKey, command: Command) -> Result<(), Fault> {
        let effects = self.shards.apply_of(by, service, command).map_err(fault_of)?;
        effects.changed.iter().for_each(|key| self.settle.changed(key));
        if let Some((client, key)) = effects.welcome {
            by.add_interest();
            self.settle.subscribed(&client, &key);
        }
        if effects.unsubscribed {
            by.outbox.forget(service);
            by.remove_interest();
        }
        Ok(())
    }

    // --- clients that are known by an address ---

    /// Somebody registers an ephemeral instance that is kept alive by beats.
    ///
    /// # Errors
    /// [`Fault::WrongKind`].
    pub fn register_beating(&self, service: &ServiceKey, new: NewInstance) -> Result<(), Fault> {
        let instance = self.named(new, service);
        let client = address_client(&instance.key, Kind::Ephemeral);
        self.apply(service, Command::Register { client, service: service.clone(), instances: vec![instance] })
    }

    /// Somebody deregisters an ephemeral instance that is kept alive by beats. Nothing happens if it is not there.
    ///
    /// # Errors
    /// None today; the registry does not refuse this.
    pub fn deregister_beating(&self, service: &ServiceKey, instance: &InstanceKey) -> Result<(), Fault> {
        let client = address_client(instance, Kind::Ephemeral);
        self.apply(service, Command::Deregister { client, service: service.clone() })
    }

    /// A sign of life. With `full`, an unknown instance is registered from it.
    ///
    /// # Errors
    /// [`Fault::WrongKind`] if the registration is refused.
    pub fn beat(
        &self,
        service: &ServiceKey,
        instance: &InstanceKey,
        full: Option<NewInstance>,
    ) -> Result<Beaten, Fault> {
        let client = address_client(instance, Kind::Ephemeral);
        match self.shards.apply(service, Command::Beat { client, service: service.clone() }) {
            Ok(effects) => {
                effects.changed.iter().for_each(|key| self.settle.changed(key));
                Ok(self.alive(service, instance))
            }
            Err(Refusal::NotRegistered { .. }) => match full {
                Some(new) => self.register_beating(service, new).map(|()| self.alive(service, instance)),
                None => Ok(Beaten::Unknown),
            },
            Err(refusal) => Err(fault_of(refusal)),
        }
    }

    fn alive(&self, service: &ServiceKey, instance: &InstanceKey) -> Beaten {
        let view = self.shards.view(service);
        // The cluster does not count for a beat, and the list is ordered by address first.
        let address = (&instance.host, instance.port);
        let at = view.instances.partition_point(|other| (&other.key.host, other.key.port) < address);
        let shown = view.instances.get(at).filter(|other| (&other.key.host, other.key.port) == address);
        Beaten::Alive { interval: shown.and_then(|shown| shown.metadata.own_beat_interval()) }
    }

    fn apply(&self, service: &ServiceKey, command: Command) -> Result<(), Fault> {
        let effects = self.shards.apply(service, command).map_err(fault_of)?;
        effects.changed.iter().for_each(|key| self.settle.changed(key));
        Ok(())
    }

    // --- persistent instances ---

    /// Registers a persistent instance, or changes it. When this returns, it is on disk.
    ///
    /// # Errors
    /// [`Fault::WrongKind`], or why it could not be written.
    pub async fn register_persistent(&self, service: &ServiceKey, new: NewInstance) -> Result<(), Fault> {
        self.check_kind(service, Kind::Persistent)?;
        let instance = self.named(new, service);
        let put = DurableCommand::PutInstance { service: service.clone(), instance };
        self.writes.write(DurableWrite::Naming(put)).await
    }

    /// Removes a persistent instance. Nothing happens if it is not there.
    ///
    /// # Errors
    /// Why it could not be written.
    pub async fn deregister_persistent(&self, service: &ServiceKey, instance: InstanceKey) -> Result<(), Fault> {
        let client = address_client(&instance, Kind::Persistent);
        let is_there = self.shards.with(service, |shard| shard.publishers(service).any(|(owner, _)| *owner == client));
        if !is_there {
            return Ok(());
        }
        let remove = DurableCommand::RemoveInstance { service: service.clone(), instance };
        self.writes.write(DurableWrite::Naming(remove)).await
    }

    fn check_kind(&self, service: &ServiceKey, wanted: Kind) -> Result<(), Fault> {
        let is = self.shards.view(service).kind;
        match is.filter(|is| *is != wanted) {
            Some(is) => Err(Fault::WrongKind { service: service.clone(), is, wanted }),
            None => Ok(()),
        }
    }

    fn named(&self, new: NewInstance, service: &ServiceKey) -> Instance {
        let NewInstance { mut instance, id_rule } = new;
        if id_rule == IdRule::Snowflake {
            let number = self.snowflake.next();
            instance.id = format!("{number}#{}#{}", instance.key.cluster, service.grouped()).into();
        }
        instance
    }

    // --- questions ---

    /// The service as it looks now; an unknown one is empty.
    #[must_use]
    pub fn query(&self, service: &ServiceKey) -> Arc<ServiceView> {
        self.shards.view(service)
    }

    /// One page of the services of a group, ordered. Pages count from 1.
    #[must_use]
    pub fn list(&self, namespace: &NamespaceId, group: &GroupName, page_no: usize, page_size: usize) -> Page {
        let mut names = Vec::new();
        self.shards.with_each(|shard| names.extend(shard.list_group(namespace, group).cloned()));
        names.sort_unstable();
        let count = names.len();
        let page_size = page_size.min(PAGE_SIZE_MAX);
        let from = page_no.max(1).saturating_sub(1).saturating_mul(page_size);
        Page { count, names: names.into_iter().skip(from).take(page_size).collect() }
    }

    /// The newest id that was made for an instance, 0 if there was none, and the node in it.
    #[must_use]
    pub fn instance_ids(&self) -> (u64, u64) {
        self.snowflake.newest()
    }

    /// The registry, for questions of operators.
    #[must_use]
    pub fn shards(&self) -> &Shards {
        &self.shards
    }
}

/// The client of a connection, if it introduced itself as one that registers and subscribes.
fn naming_client(connection: &Connection) -> Result<ClientId, Fault> {
    match connection.introduction() {
        Some(introduction) if introduction.is_naming_client() => Ok(connection.client()),
        _ => Err(Fault::NoNamingClient { client: connection.client() }),
    }
}

fn fault_of(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::WrongKind { service, is, wanted } => Fault::WrongKind { service, is, wanted },
        Refusal::NotRegistered { .. } => Fault::InstanceMissing,
    }
}
