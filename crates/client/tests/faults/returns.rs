//! A server is gone and comes back: soon after, every registration and every subscription is as its owner wants it. What
//! was taken back meanwhile stays gone, what was added meanwhile is there, and no subscriber is told anything twice.
//!
//! Against servers of this project, over ways that break.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use nacrite_client::naming::{Instance, Registration, RegistrationState, Selector};
use nacrite_client::{Client, ClientBuilder, Phase, ServerAddress};
use nacrite_testkit::Node;
use tokio::time::Instant;

use crate::clock;
use crate::proxy::{Front, Way};
use crate::told::Told;

/// How soon after the return of a server everything is right.
const RIGHT_WITHIN: Duration = Duration::from_secs(3);

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Services, each with one instance of the provider and one subscription of the consumer.
const SERVICES: usize = 20;

/// Ports of instances: of the provider, of one that comes while the server is away, and of a witness afterwards.
const PROVIDED: u16 = 80;
const ADDED: u16 = 81;
const WITNESS: u16 = 82;

fn name(nth: usize) -> String {
    format!("service-{nth}")
}

fn addresses(node: &Node) -> (SocketAddr, SocketAddr) {
    (node.http, node.clients)
}

fn address(node: &Node) -> ServerAddress {
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    main.with_grpc_port(node.clients.port())
}

fn builder(addresses: impl IntoIterator<Item = ServerAddress>) -> ClientBuilder {
    Client::builder().server_list(addresses)
}

/// One who provides, one who consumes, both over ways that may break.
struct World {
    provider: Client,
    consumer: Client,
    told: Vec<Told>,
    registrations: Vec<Registration>,
}

impl World {
    /// Everything is registered, and everybody has been told.
    async fn begin(describe: impl Fn() -> ClientBuilder) -> Self {
        let [provider, consumer] = [(); 2].map(|()| describe().build().expect("a good description"));
        let mut told = Vec::new();
        let mut registrations = Vec::new();
        for nth in 0..SERVICES {
            let registered = provider.naming().register(&*name(nth), Instance::builder("10.0.0.1", PROVIDED)).await;
            registrations.push(registered.expect("it registers"));
            let subscription = consumer.naming().subscribe(&*name(nth), Selector::default()).expect("a name");
            told.push(Told::new(subscription));
        }
        let world = Self { provider, consumer, told, registrations };
        world.told_are(|_| vec![PROVIDED]).await
    }

    /// Waits until each subscriber knows these.
    async fn told_are(mut self, expected: impl Fn(usize) -> Vec<u16>) -> Self {
        let all = self.told.iter_mut().enumerate().map(|(nth, told)| {
            let expected = expected(nth);
            async move { told.until(&expected).await }
        });
        tokio::time::timeout(PATIENCE, join_all(all)).await.expect("everybody is told");
        self
    }

    /// While the server is away: the first instance is taken back, and one is added to the second service.
    async fn change_meanwhile(&self) {
        // Nobody confirms it; it is not made again in any case.
        self.registrations[0].deregister().await.ok();
        let added = self.provider.naming().register_in_background(&*name(1), Instance::builder("10.0.0.1", ADDED));
        added.expect("a good instance");
    }

    /// Sees that everything is right, by a witness who speaks with the server directly, and that it was so in time.
    async fn see_right(mut self, witness: ServerAddress, returned: Instant) -> Self {
        let witness = builder([witness]).build().expect("a good description");
        let wanted = |nth: usize| match nth {
            0 => vec![WITNESS],
            1 => vec![PROVIDED, ADDED, WITNESS],
            _ => vec![PROVIDED, WITNESS],
        };
        // His own instances show that subscriptions live.
        for nth in 0..SERVICES {
            let own = Instance::builder("10.0.0.1", WITNESS);
            witness.naming().register_in_background(&*name(nth), own).expect("a good instance");
        }
        let mut seen: Vec<_> = (0..SERVICES)
            .map(|nth| Told::new(witness.naming().subscribe(&*name(nth), Selector::default()).expect("a name")))
            .collect();
        let all = seen.iter_mut().enumerate().map(|(nth, seen)| async move { seen.until(&wanted(nth)).await });
        tokio::time::timeout(PATIENCE, join_all(all)).await.expect("every registration is there");
        let registered = returned.elapsed();
        self = self.told_are(wanted).await;
        let told = returned.elapsed();
        assert!(registered <= RIGHT_WITHIN && told <= RIGHT_WITHIN, "registered in {registered:?}, told in {told:?}");
        // Everything has been asked for again, and one thing after it: what is not there now does not come any more.
        for registration in &self.registrations[1..] {
            registration.registered(PATIENCE).await.expect("it is registered again");
        }
        assert!(matches!(*self.registrations[0].state().borrow(), RegistrationState::Gone));
        let last = self.provider.naming().register("last", Instance::builder("10.0.0.1", PROVIDED)).await;
        last.expect("it registers");
        for (nth, (seen, told)) in seen.iter_mut().zip(&mut self.told).enumerate() {
            seen.take_all();
            told.take_all();
            assert_eq!((seen.ports(), told.ports()), (wanted(nth), wanted(nth)), "service {nth}");
        }
        assert!(witness.close_within(PATIENCE).await);
        self
    }

    /// Ends, and sees that nothing is left.
    async fn end(self) {
        assert!(self.provider.close_within(PATIENCE).await, "tasks of the provider are left");
        assert!(self.consumer.close_within(PATIENCE).await, "tasks of the consumer are left");
    }
}

/// A server, and a way to it.
async fn server() -> (Node, Front) {
    let node = Node::start().await;
    let (http, grpc) = addresses(&node);
    let front = Front::to(http, grpc).await;
    (node, front)
}

#[tokio::test]
async fn all_is_right_soon_after_a_reset() {
    let (node, front) = server().await;
    let world = World::begin(|| builder([front.address()])).await;
    front.reset_all();
    let returned = clock::now();
    world.change_meanwhile().await;
    world.see_right(address(&node), returned).await.end().await;
    node.stop().await;
}

#[tokio::test]
async fn all_is_right_soon_after_connections_are_closed_in_order() {
    let (node, front) = server().await;
    let world = World::begin(|| builder([front.address()])).await;
    front.grpc.close_all();
    let returned = clock::now();
    world.change_meanwhile().await;
    world.see_right(address(&node), returned).await.end().await;
    node.stop().await;
}

#[tokio::test]
async fn all_is_right_soon_after_connections_are_accepted_again() {
    let (node, front) = server().await;
    let world = World::begin(|| builder([front.address()])).await;
    front.refuse().await;
    world.change_meanwhile().await;
    // Time for some attempts, so that the pauses between them have grown.
    wait(Duration::from_secs(2)).await;
    let (http, grpc) = addresses(&node);
    front.lead_to(http, grpc).await;
    world.see_right(address(&node), clock::now()).await.end().await;
    node.stop().await;
}

#[tokio::test]
async fn all_is_right_soon_after_the_way_stood_still() {
    let (node, front) = server().await;
    let world = World::begin(|| {
        builder([front.address()]).request_within(Duration::from_millis(300)).link_settings(|settings| {
            settings.keep_alive = Duration::from_millis(200);
            (settings.health_within, settings.health_all_within) =
                (Duration::from_millis(300), Duration::from_millis(400));
            (settings.server_check_within, settings.negotiation_within) =
                (settings.health_within, settings.health_within);
        })
    })
    .await;
    front.become_(Way::Stalled);
    let mut state = world.provider.state().naming.expect("it is asked for");
    let lost = state.wait_for(|state| state.phase == Phase::Unhealthy);
    lost.await.expect("the link lives");
    world.change_meanwhile().await;
    front.become_(Way::Open);
    world.see_right(address(&node), clock::now()).await.end().await;
    node.stop().await;
}

#[tokio::test]
async fn all_is_right_on_a_way_that_is_slow() {
    let (node, front) = server().await;
    let world = World::begin(|| builder([front.address()])).await;
    front.become_(Way::Slow(Duration::from_millis(100)));
    front.reset_all();
    let returned = clock::now();
    world.change_meanwhile().await;
    world.see_right(address(&node), returned).await.end().await;
    node.stop().await;
}

#[tokio::test]
async fn all_is_right_soon_after_a_server_was_restarted() {
    let (node, front) = server().await;
    let world = World::begin(|| builder([front.address()])).await;
    front.refuse().await;
    let data = node.stop().await.expect("its directory");
    world.change_meanwhile().await;
    let node = Node::start_in(data.path(), |_| {}).await;
    let (http, grpc) = addresses(&node);
    front.lead_to(http, grpc).await;
    world.see_right(address(&node), clock::now()).await.end().await;
    node.stop().await;
}

/// Three servers that know nothing of each other: who provides and who consumes is one client.
#[tokio::test]
async fn all_is_right_soon_after_two_of_three_servers_died() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(server().await);
    }
    let client = builder(servers.iter().map(|(_, front)| front.address())).build().expect("a good description");
    let mut told = Vec::new();
    for nth in 0..SERVICES {
        let registered = client.naming().register(&*name(nth), Instance::builder("10.0.0.1", PROVIDED)).await;
        registered.expect("it registers");
        told.push(Told::new(client.naming().subscribe(&*name(nth), Selector::default()).expect("a name")));
    }
    for told in &mut told {
        told.until(&[PROVIDED]).await;
    }
    for _ in 0..2 {
        let current = client.state().naming.expect("it is asked for").borrow().server.clone().expect("a server");
        let nth = servers.iter().position(|(_, front)| front.address() == current).expect("one of them");
        let (node, front) = servers.swap_remove(nth);
        front.refuse().await;
        let died = clock::now();
        drop(node.stop().await);
        let mut state = client.state().naming.expect("it is asked for");
        let moved = state.wait_for(|state| {
            let is_other = state.server.as_ref().is_some_and(|server| *server != current);
            state.phase == Phase::Running && is_other
        });
        tokio::time::timeout(PATIENCE, moved).await.expect("there are others").expect("the link lives");
        let all_registered = async {
            // Asked again only when it was answered: the server tells, no clock.
            for nth in 0..SERVICES {
                while client.naming().query(&*name(nth)).await.is_ok_and(|list| list.is_empty()) {
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::time::timeout(PATIENCE, all_registered).await.expect("every registration is there");
        assert!(died.elapsed() <= RIGHT_WITHIN, "{:?}", died.elapsed());
    }
    for told in &mut told {
        told.take_all();
        told.until(&[PROVIDED]).await;
    }
    let (last, _front) = servers.pop().expect("one is left");
    let witness = builder([address(&last)]).build().expect("a good description");
    for (nth, told) in told.iter_mut().enumerate() {
        let own = Instance::builder("10.0.0.1", WITNESS);
        witness.naming().register(&*name(nth), own).await.expect("it registers");
        tokio::time::timeout(PATIENCE, told.until(&[PROVIDED, WITNESS])).await.expect("the subscription lives");
    }
    assert!(witness.close_within(PATIENCE).await);
    assert!(client.close_within(PATIENCE).await);
    last.stop().await;
}

/// Lets time pass. The one thing that these tests wait for that is no state: a server that is away for a while.
async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}
