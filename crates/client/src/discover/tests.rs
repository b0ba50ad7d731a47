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

/// A service of two instances that is known from files, so that no server has a part in it.
async fn known(change: impl FnOnce(&mut DiscoverySettings)) -> (Client, DiscoveredService, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().join("naming/public");
    std::fs::create_dir_all(&folder).expect("a directory");
    let host = |port: u16| format!(r#"{{"ip":"10.0.0.1","port":{port},"weight":1.0,"healthy":true,"enabled":true}}"#);
    let hosts = format!("{},{}", host(1), host(2));
    let list = format!(r#"{{"name":"orders","groupName":"DEFAULT_GROUP","hosts":[{hosts}],"lastRefTime":1}}"#);
    std::fs::write(folder.join("DEFAULT_GROUP%40%40orders"), list).expect("written");
    let builder = Client::builder().servers("127.0.0.1:1").cache_dir(dir.path());
    let client = builder.naming_settings(|settings| settings.load_cache_at_start = true).build();
    let client = client.expect("a good description");
    let mut settings = DiscoverySettings::default();
    change(&mut settings);
    let orders = Discovery::with_settings(&client, settings).service("orders").expect("followed");
    orders.ready(Duration::from_secs(60)).await.expect("the files tell");
    (client, orders, dir)
}

fn fail(service: &DiscoveredService, port: u16, times: u32) {
    let list = service.instances().expect("known");
    let instance = list.iter().find(|instance| instance.port() == port).expect("it is there");
    for _ in 0..times {
        service.report(instance, Outcome::Failure);
    }
}

/// The ports that calls go to.
fn called(service: &DiscoveredService) -> Vec<u16> {
    let mut ports: Vec<u16> = (0..100).filter_map(|_| service.pick().ok()).map(|instance| instance.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[tokio::test(start_paused = true)]
async fn who_fails_gets_no_calls_for_a_while_and_then_a_chance() {
    let (client, orders, _dir) = known(|_| {}).await;
    fail(&orders, 1, 4);
    assert_eq!(called(&orders), [1, 2]);
    fail(&orders, 1, 1);
    assert_eq!((called(&orders), orders.ejected().len()), (vec![2], 1));
    let first = orders.pick().expect("the other one");
    assert_eq!(orders.pick_other(&[first]).map(|instance| instance.port()), Ok(1), "better than nobody");
    tokio::time::sleep(Duration::from_millis(4_900)).await;
    assert_eq!(called(&orders), [2]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(called(&orders), [1, 2]);
    // On probation: one failure is enough, and it takes longer.
    fail(&orders, 1, 1);
    assert_eq!(called(&orders), [2]);
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(called(&orders), [2]);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(called(&orders), [1, 2]);
    // One success, and it counts as the others again.
    orders.report(&orders.instances().expect("known").all()[0], Outcome::Success);
    fail(&orders, 1, 4);
    assert_eq!(called(&orders), [1, 2]);
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_a_row_of_failures_and_nobody_is_ejected_without_rules() {
    let (client, orders, _dir) = known(|_| {}).await;
    let list = orders.instances().expect("known");
    for _ in 0..5 {
        fail(&orders, 1, 4);
        orders.report(&list.all()[0], Outcome::Success);
    }
    assert_eq!(called(&orders), [1, 2]);
    client.close().await;
    let (client, orders, _dir) = known(|settings| settings.outliers = OutlierSettings::none()).await;
    fail(&orders, 1, 100);
    assert_eq!(called(&orders), [1, 2]);
    client.close().await;
}
