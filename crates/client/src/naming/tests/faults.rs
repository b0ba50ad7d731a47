//! Servers that go, stall, forget and send away: what is wanted is right again, once, and nobody is told twice.

use super::*;
use crate::naming::{Registration, Selector, Subscription};

/// As many servers, each on an address of its own, and a client of all.
async fn cluster(count: u8) -> (Vec<ScriptedServer>, Naming) {
    let mut servers = Vec::new();
    for number in 1..=count {
        let server = ScriptedServer::start_at([127, 0, 0, number]).await;
        server.on("SubscribeServiceRequest", move |_| Reply::Done(json!({"serviceInfo": list("pay", 1, &[90])})));
        servers.push(server);
    }
    let (naming, _) = naming_of(servers.iter().map(ScriptedServer::address).collect(), |_| {});
    (servers, naming)
}

async fn at_home(naming: &Naming) -> (Registration, Subscription) {
    let registration = naming.register("orders", instance(80)).await.expect("it registers");
    let mut subscription = naming.subscribe("pay", Selector::default()).expect("a name");
    assert!(soon(subscription.changed()).await.is_some());
    (registration, subscription)
}

/// The server that has the client.
fn home(servers: &[ScriptedServer]) -> usize {
    servers.iter().position(|server| server.counts().registered == 1).expect("one of them has the client")
}

/// Waits until this server has been asked for both.
async fn has_both(server: &ScriptedServer) {
    server.until_seen("InstanceRequest", |seen| seen.body["instance"]["port"] == 80).await;
    server.until_seen("SubscribeServiceRequest", |seen| seen.body["serviceName"] == "pay").await;
}

/// Nobody has anything new to tell: lists that say what was known are no changes.
fn is_quiet(subscription: &mut Subscription) -> bool {
    subscription.changed().now_or_never().is_none()
}

#[tokio::test]
async fn of_three_servers_two_may_die() {
    let (servers, naming) = cluster(3).await;
    let (registration, mut subscription) = at_home(&naming).await;
    let first = home(&servers);
    servers[first].stop().await;
    until(registration.state(), |state| !is_registered(state)).await;
    until(registration.state(), is_registered).await;
    let second = home(&servers);
    servers[second].stop().await;
    until(registration.state(), |state| !is_registered(state)).await;
    let began = crate::clock::now();
    until(registration.state(), is_registered).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    has_both(&servers[3 - first - second]).await;
    assert!(is_quiet(&mut subscription));
}

#[tokio::test]
async fn a_server_that_stalls_is_left_for_another() {
    let (servers, naming) = cluster(2).await;
    let (registration, mut subscription) = at_home(&naming).await;
    let first = home(&servers);
    servers[first].freeze();
    has_both(&servers[1 - first]).await;
    until(registration.state(), is_registered).await;
    assert!(is_quiet(&mut subscription));
}

#[tokio::test]
async fn a_server_that_sends_the_client_away_is_left_with_everything() {
    let (servers, naming) = cluster(2).await;
    let (registration, mut subscription) = at_home(&naming).await;
    let first = home(&servers);
    servers[first].send_away(Some(&servers[1 - first].address())).await;
    has_both(&servers[1 - first]).await;
    until(registration.state(), is_registered).await;
    assert!(is_quiet(&mut subscription));
}

#[tokio::test]
async fn a_server_that_forgot_the_client_is_told_everything_again() {
    let rig = Rig::new().await;
    let registration = rig.naming.register("orders", instance(80)).await.expect("it registers");
    rig.server.forget();
    let again = rig.server.until_seen("InstanceRequest", |seen| seen.connection > 1).await;
    assert_eq!(again.body["instance"]["port"], 80);
    until(registration.state(), is_registered).await;
}

#[tokio::test]
async fn many_reconnects_lose_nothing_and_tell_nothing_twice() {
    let rig = Rig::new().await;
    rig.set("pay", 1, &[90]);
    let (registration, mut subscription) = at_home(&rig.naming).await;
    for number in 2..=40 {
        rig.server.cut();
        let on = |seen: &crate::testkit::Seen| seen.connection >= number;
        rig.server.until_seen("InstanceRequest", on).await;
        rig.server.until_seen("SubscribeServiceRequest", on).await;
    }
    until(registration.state(), is_registered).await;
    assert!(is_quiet(&mut subscription));
    let asked = rig.asked();
    let last = rig.server.counts().accepted;
    assert!(asked.len() as u64 <= last, "once for each connection: {} of {last}", asked.len());
}
