//! Checks on a network without sockets, with a clock that stands still unless everybody waits.

use super::*;
use crate::connections::Connections;
use crate::health::Alone;
use crate::metrics::Metrics;
use crate::push::datagrams::Datagrams;
use crate::push::settle::PushSettings;
use nacrite_base::ClusterSettings;
use nacrite_base::{ClusterName, GroupName, Host, InstanceKey, Metadata, NamespaceId, ServiceName, Timestamp};
use nacrite_env::clock::SystemClock;
use nacrite_env::dial::{Behaviour, FakeNetwork};
use nacrite_env::random::SeededRandom;
use nacrite_naming::durable::persistent_client;
use nacrite_naming::{Rules, ServiceMetadata};
use std::time::Duration;

struct World {
    checking: Checking,
    network: Arc<FakeNetwork>,
    tasks: Tasks,
    began: Timestamp,
}

fn service() -> ServiceKey {
    let (namespace, group) = (NamespaceId::public(), GroupName::default_group());
    ServiceKey { namespace, group, name: ServiceName::from_stored("orders") }
}

fn instance(port: u16) -> Instance {
    let host = Some(Host::from_stored("10.0.0.1"));
    Instance {
        key: InstanceKey { host, port, cluster: ClusterName::default_cluster() },
        id: "id".into(),
        weight: 1.0,
        healthy: true,
        enabled: true,
        metadata: Metadata::default(),
    }
}

fn up() -> Behaviour {
    Behaviour::Serves(Arc::new(|_| Box::pin(std::future::ready(()))))
}

fn world() -> World {
    world_with(Arc::new(Alone))
}

fn world_with(responsible: Arc<dyn Responsible>) -> World {
    let clock: SharedClock = Arc::new(SystemClock::start());
    let shards = Arc::new(Shards::new(Rules::default(), Arc::clone(&clock)));
    let connections = Arc::new(Connections::default());
    let network = Arc::new(FakeNetwork::default());
    let dial: SharedDial = Arc::<FakeNetwork>::clone(&network);
    let datagrams = Arc::new(Datagrams::new(Arc::clone(&clock), Arc::new(Metrics::new())));
    let settle = Settle::new(PushSettings::default(), Arc::clone(&clock), Arc::clone(&shards), connections, datagrams);
    let checking = Checking {
        checks: Arc::new(HealthChecks::new(Arc::clone(&clock), Arc::new(SeededRandom::from_seed(1)))),
        shards,
        settle: Arc::new(settle),
        switches: Arc::default(),
        responsible,
        dial,
        clock,
        metrics: Arc::new(Metrics::new()),
    };
    let (tasks, began) = (Tasks::new(), checking.clock.now());
    let (run_with, tasks_of) = (checking.clone(), tasks.clone());
    tasks.spawn(async move { run(run_with, &tasks_of).await });
    World { checking, network, tasks, began }
}

impl World {
    fn register(&self, instance: Instance) {
        let client = persistent_client(&instance.key);
        let register = Command::Register { client: client.clone(), service: service(), instances: vec![instance] };
        drop(self.checking.shards.apply(&service(), register).expect("registered"));
        self.checking.checks.watch(&service(), client);
    }

    fn set_cluster(&self, settings: ClusterSettings) {
        let mut metadata = ServiceMetadata::of_kind(nacrite_base::Kind::Persistent);
        metadata.clusters.insert(ClusterName::default_cluster(), Arc::new(settings));
        let set = Command::SetMetadata { service: service(), metadata: Some(Arc::new(metadata)) };
        drop(self.checking.shards.apply(&service(), set).expect("set"));
    }

    async fn until(&self, ms: u64) {
        tokio::time::sleep((self.began + Duration::from_millis(ms)).since(self.checking.clock.now())).await;
    }

    fn healthy(&self, port: u16) -> bool {
        let view = self.checking.shards.view(&service());
        view.instances.iter().find(|instance| instance.key.port == port).expect("registered").healthy
    }

    fn last(&self, port: u16) -> Option<LastCheck> {
        self.checking.checks.state_of(&service(), &persistent_client(&instance(port).key))?.last
    }

    async fn end(self) {
        assert!(self.tasks.stop(Duration::from_secs(1)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_nobody_serves_turns_at_once_and_comes_back_after_three_checks() {
    let world = world();
    world.register(instance(80));
    world.until(10).await;
    assert!(!world.healthy(80));
    assert_eq!(&*world.last(80).expect("checked").detail, "connection refused by 10.0.0.1:80");
    world.network.set("10.0.0.1", 80, up());
    let before = world.network.dialled();
    while !world.healthy(80) {
        world.until(world.checking.clock.now().since(world.began).as_millis() as u64 + 10).await;
    }
    assert_eq!(world.network.dialled() - before, 3);
    let text = world.checking.metrics.encode();
    for line in [
        r#"nacrite_health_checks_total{checker="TCP",outcome="passed"} 3"#,
        r#"nacrite_health_turns_total{to="healthy"} 1"#,
        r#"nacrite_health_turns_total{to="unhealthy"} 1"#,
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_slow_turns_after_three_checks() {
    let world = world();
    world.network.set("10.0.0.1", 80, Behaviour::Silent);
    world.register(instance(80));
    world.until(1000).await;
    assert!(world.healthy(80), "once is not enough");
    world.until(20_000).await;
    assert!(!world.healthy(80));
    assert_eq!(&*world.last(80).expect("checked").detail, "no connection to 10.0.0.1:80 within 500 ms");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_checked_is_left_alone() {
    let world = world();
    world.set_cluster(ClusterSettings { checker: Checker::None, ..ClusterSettings::default() });
    world.register(instance(80));
    world.until(30_000).await;
    assert!(world.healthy(80) && world.last(80).is_none());
    world.set_cluster(ClusterSettings::default());
    world.checking.switches.keep("check", "false");
    world.until(60_000).await;
    assert_eq!(world.network.dialled(), 0);
    world.checking.switches.keep("check", "true");
    world.until(70_000).await;
    assert!(!world.healthy(80), "checks begin again when they are switched on");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn another_port_is_checked_if_an_operator_says_so() {
    let world = world();
    world.set_cluster(ClusterSettings { check_port: 8081, use_instance_port: false, ..ClusterSettings::default() });
    world.register(instance(80));
    world.until(10).await;
    assert_eq!(&*world.last(80).expect("checked").detail, "connection refused by 10.0.0.1:8081");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_gone_is_not_checked_any_more() {
    let world = world();
    world.register(instance(80));
    world.until(10).await;
    let client = persistent_client(&instance(80).key);
    let gone = Command::Deregister { client, service: service() };
    drop(world.checking.shards.apply(&service(), gone).expect("gone"));
    world.until(60_000).await;
    assert_eq!((world.network.dialled(), world.checking.checks.len()), (1, 0));
    world.end().await;
}

/// A second timer beside the first would double the checks of an instance that is registered again and again.
#[tokio::test(start_paused = true)]
async fn registering_anew_does_not_add_checks() {
    let world = world();
    world.network.set("10.0.0.1", 80, up());
    let client = persistent_client(&instance(80).key);
    for ms in 0..600 {
        if ms % 2 == 0 {
            world.register(instance(80));
        } else {
            world.checking.checks.forget(&service(), &client);
        }
    }
    world.register(instance(80));
    world.until(100_000).await;
    assert!((95..=102).contains(&world.network.dialled()), "{}", world.network.dialled());
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn many_instances_are_checked_in_batches_and_drift_apart() {
    let world = world();
    for port in 1..=300 {
        world.network.set("10.0.0.1", port, up());
        world.register(instance(port));
    }
    world.until(40).await;
    assert_eq!(world.network.dialled(), CHECK_BATCH);
    world.until(1000).await;
    assert_eq!(world.network.dialled(), 300);
    world.until(20_000).await;
    let before = world.network.dialled();
    world.until(20_100).await;
    let in_100_ms = world.network.dialled() - before;
    assert!((8..=80).contains(&in_100_ms), "{in_100_ms} checks in 100 ms");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn slow_instances_do_not_hold_more_sockets_than_there_may_be() {
    let world = world();
    for port in 1..=600 {
        world.network.set("10.0.0.1", port, Behaviour::Silent);
        world.register(instance(port));
    }
    world.until(499).await;
    assert_eq!(world.network.dialled(), CHECKS_RUNNING_MAX);
    world.until(60_000).await;
    assert!((1..=600).all(|port| !world.healthy(port)));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_checks_only_what_is_its_own() {
    #[derive(Debug)]
    struct Even;
    impl Responsible for Even {
        fn is_mine(&self, address: &str) -> bool {
            address.ends_with(['0', '2', '4', '6', '8'])
        }
    }
    let world = world_with(Arc::new(Even));
    world.register(instance(80));
    world.register(instance(81));
    world.until(10).await;
    assert_eq!((world.healthy(80), world.healthy(81)), (false, true));
    world.end().await;
}
