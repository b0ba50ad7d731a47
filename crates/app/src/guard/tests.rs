//! The guard over a registry with clients, on a paused clock.

use std::net::SocketAddr;

use nacrite_base::{
    ClusterName, ConnectionId, GroupName, Host, Instance, InstanceKey, Metadata, NamespaceId, ServiceName,
};
use nacrite_env::clock::SystemClock;
use nacrite_naming::{ClusterFilter, Command, Rules, Subscription};

use super::*;
use crate::connections::{Introduction, Listener};
use crate::push::datagrams::Datagrams;
use crate::push::outbox::Due;
use crate::push::settle::{PushSettings, Settle};
use crate::reconcile;
use crate::tasks::Tasks;

struct World {
    guard: Arc<Guarding>,
    shards: Arc<Shards>,
    connections: Arc<Connections>,
    clock: SharedClock,
    tasks: Tasks,
}

fn service() -> ServiceKey {
    ServiceKey {
        namespace: NamespaceId::public(),
        group: GroupName::default_group(),
        name: ServiceName::from_stored("orders"),
    }
}

fn instance(port: u16) -> Instance {
    Instance {
        key: InstanceKey { host: Some(Host::from_stored("10.0.0.1")), port, cluster: ClusterName::default_cluster() },
        id: "id".into(),
        weight: 1.0,
        healthy: true,
        enabled: true,
        metadata: Metadata::default(),
    }
}

/// The guard and the registry with the tasks that drive them.
fn world() -> World {
    let clock: SharedClock = Arc::new(SystemClock::start());
    let shards = Arc::new(Shards::new(Rules::default(), Arc::clone(&clock)));
    let connections = Arc::new(Connections::default());
    let metrics = Arc::new(Metrics::new());
    let guard = Arc::new(Guarding::new(&AppSettings::default(), &clock, &shards, &connections, &metrics));
    let datagrams = Arc::new(Datagrams::new(Arc::clone(&clock), Arc::clone(&metrics)));
    let settings = PushSettings::default();
    let settle = Settle::new(settings, Arc::clone(&clock), Arc::clone(&shards), Arc::clone(&connections), datagrams);
    let tasks = Tasks::new();
    let (g, s, c, t) = (Arc::clone(&guard), Arc::clone(&shards), Arc::clone(&clock), tasks.clone());
    tasks.spawn(async move { reconcile::expiry::run(&s, &g, &settle, &c, &t).await });
    let (g, t) = (Arc::clone(&guard), tasks.clone());
    tasks.spawn(async move { reconcile::guard::run(&g, &t).await });
    World { guard, shards, connections, clock, tasks }
}

impl World {
    /// A client that holds a connection and publishes one instance.
    fn join(&self, port: u16) -> Arc<Connection> {
        let id = ConnectionId::new(&format!("{}_{port}", self.clock.now().as_ms()));
        let remote = SocketAddr::from(([127, 0, 0, 1], port));
        let connection = Arc::new(Connection::new(id, remote, 9848, Listener::Clients, self.clock.now()));
        self.connections.register(&connection, Introduction::default());
        let instances = vec![instance(port)];
        let register = Command::Register { client: connection.client(), service: service(), instances };
        drop(self.shards.apply_of(&connection, &service(), register).expect("registered"));
        connection
    }

    fn lose(&self, connection: &Connection) {
        self.connections.unregister(&connection.id);
        self.shards.connection_lost(connection, self.guard.end_of(connection));
    }

    async fn pass(&self, seconds: u64, heard: &[&Arc<Connection>]) {
        for _ in 0..seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
            heard.iter().for_each(|connection| connection.touch(self.clock.now()));
        }
    }

    fn shown(&self) -> usize {
        self.shards.view(&service()).instances.len()
    }

    async fn end(self) {
        assert!(self.tasks.stop(Duration::from_secs(1)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_its_connection_goes_as_ever() {
    let world = world();
    let all: Vec<_> = (1..=10).map(|port| world.join(port)).collect();
    all.iter().for_each(|connection| world.lose(connection));
    tokio::time::sleep(Duration::from_millis(499)).await;
    assert_eq!(world.shown(), 10);
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!((world.shown(), world.guard.phase()), (0, Phase::Open));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn silence_of_most_is_not_believed_until_patience_ends() {
    let world = world();
    let all: Vec<_> = (1..=10).map(|port| world.join(port)).collect();
    let heard: Vec<_> = all.iter().take(4).collect();
    world.pass(25, &heard).await;
    for connection in all.iter().skip(4) {
        connection.fell_silent();
        world.lose(connection);
    }
    world.pass(59, &heard).await;
    assert_eq!((world.shown(), world.guard.phase(), world.guard.held()), (10, Phase::Braking, 6));
    let report = world.guard.report();
    assert_eq!(report.held, [Held { service: service(), heard: 4, held: 6 }]);
    world.pass(5, &heard).await;
    assert_eq!((world.shown(), world.guard.held()), (4, 0));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_single_client_that_falls_silent_goes_as_ever() {
    let world = world();
    let all: Vec<_> = (1..=10).map(|port| world.join(port)).collect();
    let heard: Vec<_> = all.iter().skip(1).collect();
    world.pass(25, &heard).await;
    all[0].fell_silent();
    world.lose(&all[0]);
    tokio::time::sleep(Duration::from_millis(501)).await;
    assert_eq!((world.shown(), world.guard.phase()), (9, Phase::Open));
    world.end().await;
}

/// A process that was stopped for a while found every connection closed by clients that had given up, and told every
/// subscriber that nobody was left.
#[tokio::test(start_paused = true)]
async fn connections_that_clients_gave_up_while_the_server_stood_still_are_no_departures() {
    let world = world();
    let all: Vec<_> = (1..=4).map(|port| world.join(port)).collect();
    world.pass(5, &all.iter().collect::<Vec<_>>()).await;
    // Nothing runs meanwhile, so nobody notes that time passes.
    tokio::time::advance(Duration::from_secs(20)).await;
    all.iter().for_each(|connection| world.lose(connection));
    world.pass(5, &[]).await;
    assert!(matches!(world.guard.phase(), Phase::Warming { after: Pause::Stall, .. }));
    assert_eq!(world.shown(), 4);
    let back: Vec<_> = (1..=4).map(|port| world.join(port)).collect();
    world.pass(2, &back.iter().collect::<Vec<_>>()).await;
    assert_eq!((world.shown(), world.guard.phase()), (4, Phase::Open), "all are heard: nothing is left to wait for");
    world.lose(&back[0]);
    world.pass(1, &back.iter().collect::<Vec<_>>()).await;
    assert_eq!(world.shown(), 3);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_lets_go_or_switches_the_guard_off() {
    let world = world();
    let all: Vec<_> = (1..=12).map(|port| world.join(port)).collect();
    world.pass(25, &[]).await;
    for connection in &all[..6] {
        connection.fell_silent();
        world.lose(connection);
    }
    world.pass(2, &[]).await;
    assert_eq!((world.shown(), world.guard.phase()), (12, Phase::Braking));
    world.guard.let_go();
    world.pass(2, &[]).await;
    assert_eq!(world.shown(), 6);
    world.guard.switch(false);
    for connection in &all[6..] {
        connection.fell_silent();
        world.lose(connection);
    }
    world.pass(1, &[]).await;
    assert_eq!((world.shown(), world.guard.phase()), (0, Phase::Off));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_a_list_that_is_only_in_doubt() {
    let world = world();
    let subscriber = world.join(99);
    let subscription =
        Subscription { clusters: ClusterFilter::ALL, app: "".into(), agent: "".into(), address: "".into() };
    let subscribe = Command::Subscribe { client: subscriber.client(), service: service(), subscription };
    drop(world.shards.apply_of(&subscriber, &service(), subscribe));
    let all: Vec<_> = (1..=10).map(|port| world.join(port)).collect();
    world.pass(25, &[&subscriber]).await;
    for connection in &all {
        connection.fell_silent();
        world.lose(connection);
    }
    world.pass(30, &[&subscriber]).await;
    let due = subscriber.outbox.poll_due(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(!matches!(due, std::task::Poll::Ready(Some(Due::Service(_)))), "{due:?}");
    world.end().await;
}
