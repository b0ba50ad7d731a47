//! Forgets what operators set for things that are gone: values laid over instances, settings of services that nobody
//! created by hand. Nacos keeps both for a minute, so that an instance that restarts finds them again
//! (`reference/semantics.md`, 2.11).

use std::time::Duration;

use nacrite_base::{InstanceKey, ServiceKey};
use nacrite_env::SharedClock;
use nacrite_naming::DurableCommand;
use tracing::debug;

use crate::machine::DurableWrite;
use crate::naming::Naming;
use crate::owner::registry::Shards;
use crate::tasks::Tasks;
use crate::writes::Writes;

/// How long values survive their instance.
const KEEP: Duration = Duration::from_secs(60);

/// How often to look.
const EVERY: Duration = Duration::from_secs(5);

/// Runs until the server stops.
pub async fn run(naming: &Naming, writes: &Writes, clock: &SharedClock, tasks: &Tasks) {
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        for (service, instance) in overrides(naming.shards(), clock) {
            let editing = naming.edit(&service).await;
            // Somebody may have laid values over it anew since it was looked for, and was told that they are kept.
            if is_orphan(naming.shards(), clock, &service, &instance) {
                write(writes, DurableCommand::RemoveOverride { service, instance }).await;
            }
            drop(editing);
        }
        for service in settings(naming.shards()) {
            write(writes, DurableCommand::DeleteService { service }).await;
        }
    }
}

/// Whatever keeps it from being written keeps it for the next round.
async fn write(writes: &Writes, command: DurableCommand) {
    if let Err(fault) = writes.write(DurableWrite::Naming(command)).await {
        debug!(%fault, "an orphan stays for now");
    }
}

fn overrides(shards: &Shards, clock: &SharedClock) -> Vec<(ServiceKey, InstanceKey)> {
    let now = clock.now();
    let mut all = Vec::new();
    shards.with_each(|shard| all.extend(shard.orphan_overrides(now, KEEP)));
    all
}

fn is_orphan(shards: &Shards, clock: &SharedClock, service: &ServiceKey, instance: &InstanceKey) -> bool {
    let since = shards.with(service, |shard| shard.orphan_since(service, instance));
    since.is_some_and(|since| clock.now().since(since) > KEEP)
}

fn settings(shards: &Shards) -> Vec<ServiceKey> {
    let mut all = Vec::new();
    shards.with_each(|shard| all.extend(shard.orphan_metadata()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{
        ClientId, ClusterName, GroupName, Host, Instance, Kind, Metadata, NamespaceId, ServiceName, Timestamp,
    };
    use nacrite_env::clock::ManualClock;
    use nacrite_naming::durable::address_client;
    use nacrite_naming::{Command, Override, Rules};
    use std::sync::Arc;

    struct World {
        clock: Arc<ManualClock>,
        shards: Shards,
        service: ServiceKey,
        instance: Instance,
    }

    impl World {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1000)));
            let (namespace, group) = (NamespaceId::public(), GroupName::default_group());
            let service = ServiceKey { namespace, group, name: ServiceName::from_stored("orders") };
            let host = Some(Host::from_stored("10.0.0.1"));
            let key = InstanceKey { host, port: 80, cluster: ClusterName::default_cluster() };
            let metadata = Metadata::default();
            let instance = Instance { key, id: "".into(), weight: 1.0, healthy: true, enabled: true, metadata };
            Self { shards: Shards::new(Rules::default(), clock.clone()), clock, service, instance }
        }

        fn client(&self) -> ClientId {
            address_client(&self.instance.key, Kind::Persistent)
        }

        fn apply(&self, command: Command) {
            assert!(self.shards.apply(&self.service, command).is_ok());
        }

        fn lay_over(&self) {
            let (service, instance) = (self.service.clone(), self.instance.key.clone());
            let values = Override { weight: Some(5.0), ..Override::default() };
            self.apply(Command::SetOverride { service, instance, values: Some(Arc::new(values)) });
        }

        fn register(&self) {
            let (service, instances) = (self.service.clone(), vec![self.instance.clone()]);
            self.apply(Command::Register { client: self.client(), service, instances });
        }

        fn deregister(&self) {
            self.apply(Command::Deregister { client: self.client(), service: self.service.clone() });
        }

        fn orphans(&self) -> usize {
            let clock: SharedClock = self.clock.clone();
            let found = overrides(&self.shards, &clock);
            let is_found = is_orphan(&self.shards, &clock, &self.service, &self.instance.key);
            assert_eq!(is_found, !found.is_empty(), "both see the same");
            found.len()
        }
    }

    #[test]
    fn values_survive_their_instance_for_a_minute() {
        let world = World::new();
        world.register();
        world.lay_over();
        world.clock.advance(KEEP * 10);
        assert_eq!(world.orphans(), 0, "the instance is there");
        world.deregister();
        world.clock.advance(KEEP);
        assert_eq!(world.orphans(), 0, "a minute sharp is not longer than a minute");
        world.clock.advance(Duration::from_millis(1));
        assert_eq!(world.orphans(), 1);
    }

    #[test]
    fn an_instance_that_comes_back_finds_its_values() {
        let world = World::new();
        world.register();
        world.lay_over();
        world.deregister();
        world.clock.advance(KEEP);
        world.register();
        world.clock.advance(KEEP * 2);
        assert_eq!(world.orphans(), 0);
        let view = world.shards.view(&world.service);
        assert_eq!(view.instances.first().map(|instance| instance.weight), Some(5.0));
    }

    /// Values that were laid anew between the look and the removal were removed with the old ones.
    #[test]
    fn values_that_are_laid_anew_have_a_minute_of_their_own() {
        let world = World::new();
        world.lay_over();
        world.clock.advance(KEEP + Duration::from_millis(1));
        assert_eq!(world.orphans(), 1);
        world.lay_over();
        assert_eq!(world.orphans(), 0);
    }

    #[test]
    fn values_of_an_instance_that_never_came_go_as_well() {
        let world = World::new();
        world.lay_over();
        world.clock.advance(KEEP + Duration::from_millis(1));
        assert_eq!(world.orphans(), 1);
    }
}
