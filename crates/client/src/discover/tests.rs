//! Which services are followed, and which are let go. No server is needed: what is followed is told to one when there is.

use super::*;

fn discovery(change: impl FnOnce(&mut DiscoverySettings)) -> (Client, Discovery) {
    let client = Client::builder().servers("127.0.0.1:1").build().expect("a good description");
    let mut settings = DiscoverySettings::default();
    change(&mut settings);
    let discovery = Discovery::with_settings(&client, settings);
    (client, discovery)
}

#[tokio::test]
async fn a_service_is_followed_once_and_told_apart_by_group() {
    let (client, discovery) = discovery(|_| {});
    for _ in 0..3 {
        discovery.service("orders").expect("followed");
    }
    discovery.service("SHOP@@orders").expect("followed");
    assert_eq!(discovery.followed(), 2);
    assert!(matches!(discovery.service("a b"), Err(Error::Invalid(_))));
    let orders = discovery.service("orders").expect("followed");
    assert!(matches!(orders.pick(), Err(NoInstance::Unknown { .. })));
    assert!(matches!(orders.ready(Duration::ZERO).await, Err(Error::Deadline { .. } | Error::NotConnected(_))));
    client.close().await;
    assert!(matches!(discovery.service("other"), Err(Error::Closed)));
}

#[tokio::test]
async fn what_nobody_asks_for_is_let_go_and_what_somebody_holds_stays() {
    let (client, discovery) = discovery(|_| {});
    let held = discovery.service("held").expect("followed");
    for name in ["a", "b"] {
        discovery.service(name).expect("followed");
    }
    discovery.0.let_go();
    assert_eq!(discovery.followed(), 3, "all were asked for");
    discovery.service("b").expect("followed");
    discovery.0.let_go();
    assert_eq!(discovery.followed(), 2);
    discovery.0.let_go();
    assert_eq!(discovery.followed(), 1);
    drop(held);
    discovery.0.let_go();
    assert_eq!((discovery.followed(), client.metrics().services), (0, 0));
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn idle_services_are_let_go_in_time_and_no_task_is_left() {
    let (client, discovery) = discovery(|settings| settings.idle_after = Duration::from_secs(60));
    discovery.service("orders").expect("followed");
    assert_eq!((discovery.followed(), client.metrics().services), (1, 1));
    tokio::time::sleep(Duration::from_secs(121)).await;
    assert_eq!((discovery.followed(), client.metrics().services), (0, 0));
    let tasks = discovery.0.tasks.clone();
    drop(discovery);
    assert!(tasks.is_stopping() && tasks.stop(Duration::from_secs(1)).await);
    client.close().await;
}

#[tokio::test]
async fn no_more_are_followed_than_may_be() {
    let (client, discovery) = discovery(|settings| settings.followed_max = 2);
    let _held = discovery.service("a").expect("followed");
    discovery.service("b").expect("followed");
    let refused = discovery.service("c").expect_err("both are in use").to_string();
    assert!(refused.contains("2 services"), "{refused}");
    discovery.0.let_go();
    discovery.service("c").expect("b went for it");
    assert!(discovery.0.followed.read().values().all(|services| !services.contains_key("b")));
    assert_eq!(discovery.followed(), 2);
    client.close().await;
}
