//! Lists of others: subscribed to, pushed, kept, chosen from.

use super::*;
use crate::naming::{EmptyProtection, Origin, Selector, Subscription, SubscriptionState};

async fn next(subscription: &mut Subscription) -> String {
    let change = soon(subscription.changed()).await.expect("the client is open");
    let (all, added) = (ports(change.instances.iter()), ports(&change.added));
    format!("{all:?} +{added:?} -{:?} ~{:?}", ports(&change.removed), ports(&change.modified))
}

#[tokio::test]
async fn checklist_9_the_first_change_is_the_list_also_when_it_is_empty() {
    let rig = Rig::new().await;
    let mut subscription = rig.naming.subscribe("orders", Selector::default()).expect("a name");
    assert!(subscription.current().is_none(), "nobody has answered: that is not the same as nobody being there");
    assert_eq!(next(&mut subscription).await, "[] +[] -[] ~[]");
    assert!(subscription.current().is_some_and(|list| list.is_empty()));
    rig.push("orders", 2, &[80]).await;
    assert_eq!(next(&mut subscription).await, "[80] +[80] -[] ~[]");
    rig.push("orders", 3, &[81]).await;
    assert_eq!(next(&mut subscription).await, "[81] +[81] -[80] ~[]");
}

#[tokio::test]
async fn checklist_8_stale_pushes_change_nothing_and_a_new_server_s_clock_may_be_behind() {
    let rig = Rig::new().await;
    rig.set("orders", 5000, &[80]);
    let mut subscription = rig.naming.subscribe("orders", Selector::default()).expect("a name");
    assert_eq!(next(&mut subscription).await, "[80] +[80] -[] ~[]");
    rig.push("orders", 4999, &[81]).await;
    rig.push("orders", 5000, &[82]).await;
    assert_eq!(next(&mut subscription).await, "[82] +[82] -[80] ~[]");
    rig.set("orders", 17, &[83]);
    rig.server.cut();
    assert_eq!(next(&mut subscription).await, "[83] +[83] -[82] ~[]");
}

#[tokio::test]
async fn checklist_10_dropping_one_subscription_leaves_the_others() {
    let rig = Rig::new().await;
    let first = rig.naming.subscribe("orders", Selector::default()).expect("a name");
    let mut second = rig.naming.subscribe("orders", Selector::default()).expect("a name");
    assert_eq!(next(&mut second).await, "[] +[] -[] ~[]");
    drop(first);
    rig.push("orders", 2, &[80]).await;
    assert_eq!(next(&mut second).await, "[80] +[80] -[] ~[]");
    drop(second);
    rig.server.until_seen("SubscribeServiceRequest", |seen| seen.body["subscribe"] == false).await;
    let asked = rig.server.seen(Some("SubscribeServiceRequest"));
    assert_eq!(asked.len(), 2, "one subscription for both, and one end of it");
}

#[tokio::test]
async fn checklist_11_clusters_are_filtered_here_and_the_list_is_shared() {
    let rig = Rig::new().await;
    let mut mixed = list("orders", 2, &[80, 81]);
    mixed["hosts"][1]["clusterName"] = json!("blue");
    rig.lists.send_modify(|lists| drop(lists.insert("orders".to_owned(), mixed)));
    let blue = rig.naming.subscribe("orders", Selector::default().clusters(["blue"])).expect("a name");
    let all = rig.naming.subscribe("orders", Selector::default()).expect("a name");
    assert_eq!(ports(blue.resolved(PATIENCE).await.expect("a list").iter()), [81]);
    assert_eq!(ports(all.resolved(PATIENCE).await.expect("a list").iter()), [80, 81]);
    let asked = rig.server.seen(Some("SubscribeServiceRequest"));
    assert_eq!((asked.len(), &asked[0].body["clusters"]), (1, &json!("")));
}

#[tokio::test]
async fn a_change_outside_of_a_subscriber_s_interest_is_not_told() {
    let rig = Rig::new().await;
    let selector = Selector::default().matching(|instance| instance.port() > 100);
    let mut subscription = rig.naming.subscribe("orders", selector).expect("a name");
    assert_eq!(next(&mut subscription).await, "[] +[] -[] ~[]");
    rig.push("orders", 2, &[80]).await;
    rig.push("orders", 3, &[80, 180]).await;
    assert_eq!(next(&mut subscription).await, "[180] +[180] -[] ~[]");
}

#[tokio::test]
async fn a_slow_subscriber_is_told_of_the_newest_list_alone() {
    let rig = Rig::new().await;
    let mut subscription = rig.naming.subscribe("orders", Selector::default()).expect("a name");
    subscription.resolved(PATIENCE).await.expect("a list");
    for at in 2..50_u16 {
        rig.push("orders", at.into(), &[at]).await;
    }
    assert_eq!(next(&mut subscription).await, "[49] +[49] -[] ~[]");
}

#[tokio::test]
async fn a_callback_is_called_until_it_is_dropped() {
    let rig = Rig::new().await;
    let (tell, mut told) = tokio::sync::mpsc::channel(8);
    let call = move |change: crate::naming::Change| tell.try_send(ports(change.instances.iter())).expect("room");
    let callback = rig.naming.subscribe_with("orders", Selector::default(), call).expect("a name");
    assert_eq!(soon(told.recv()).await, Some(vec![]));
    rig.push("orders", 2, &[80]).await;
    assert_eq!(soon(told.recv()).await, Some(vec![80]));
    drop(callback);
    assert_eq!(soon(told.recv()).await, None, "the function is dropped");
    rig.server.until_seen("SubscribeServiceRequest", |seen| seen.body["subscribe"] == false).await;
}

#[tokio::test]
async fn a_service_asked_for_by_name_is_kept_up_to_date() {
    let rig = Rig::new().await;
    rig.set("orders", 1, &[80]);
    assert_eq!(rig.naming.pick("orders"), None, "it is not known");
    assert_eq!(ports(rig.naming.instances("orders").await.expect("a list").iter()), [80]);
    rig.push("orders", 2, &[81]).await;
    assert_eq!(ports(rig.naming.instances("orders").await.expect("a list").iter()), [81]);
    assert_eq!(ports(&rig.naming.select_healthy("orders").await.expect("a list")), [81]);
    let one = rig.naming.select_one("orders").await.expect("a list").expect("somebody");
    assert_eq!(one.port(), 81);
    assert_eq!(rig.server.seen(Some("SubscribeServiceRequest")).len(), 1);
    rig.push("orders", 3, &[]).await;
    assert_eq!(rig.naming.pick("orders"), Some(None), "nobody is there, and that is known");
    rig.naming.forget("orders").expect("a name");
    rig.server.until_seen("SubscribeServiceRequest", |seen| seen.body["subscribe"] == false).await;
}

#[tokio::test]
async fn beyond_the_bound_services_are_asked_for_each_time() {
    let rig = Rig::with(|settings| settings.kept_max = 1).await;
    rig.set("pay", 1, &[80]);
    rig.naming.instances("orders").await.expect("a list");
    for _ in 0..2 {
        assert_eq!(ports(rig.naming.instances("pay").await.expect("a list").iter()), [80]);
    }
    assert_eq!(rig.server.seen(Some("ServiceQueryRequest")).len(), 2);
    assert_eq!(rig.server.seen(Some("SubscribeServiceRequest")).len(), 1);
}

#[tokio::test]
async fn a_service_that_cannot_be_asked_for_is_an_error_with_a_reason() {
    let rig = Rig::new().await;
    let refuse = |_: &Value| Reply::Error { code: 403, message: "no right".into() };
    rig.server.on("SubscribeServiceRequest", refuse);
    let refused = rig.naming.instances("orders").await;
    assert!(refused.as_ref().is_err_and(|error| error.to_string().contains("no right")), "{refused:?}");
    let subscription = rig.naming.subscribe("pay", Selector::default()).expect("a name");
    let refused = subscription.resolved(PATIENCE).await;
    assert!(refused.is_err());
    let mut state = subscription.state();
    soon(state.wait_for(|state| matches!(state, SubscriptionState::Refused { .. }))).await.expect("it is followed");
}

#[tokio::test]
async fn an_empty_list_is_held_back_where_that_is_wanted() {
    let rig = Rig::new().await;
    rig.set("orders", 1, &[80]);
    let hold = EmptyProtection::HoldFor(Duration::from_millis(100));
    let mut subscription = rig.naming.subscribe_protected("orders", Selector::default(), hold).expect("a name");
    assert_eq!(next(&mut subscription).await, "[80] +[80] -[] ~[]");
    let began = crate::clock::now();
    rig.push("orders", 2, &[]).await;
    assert!(subscription.current().is_some_and(|list| list.len() == 1));
    assert_eq!(next(&mut subscription).await, "[] +[] -[80] ~[]");
    assert!(began.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn lists_are_asked_for_again_where_that_is_wanted() {
    let rig = Rig::with(|settings| settings.resubscribe_every = Some(Duration::from_millis(20))).await;
    let mut subscription = rig.naming.subscribe("orders", Selector::default()).expect("a name");
    assert_eq!(next(&mut subscription).await, "[] +[] -[] ~[]");
    rig.set("orders", 2, &[80]);
    assert_eq!(next(&mut subscription).await, "[80] +[80] -[] ~[]");
}

#[tokio::test]
async fn pages_of_services_are_put_together() {
    let rig = Rig::new().await;
    rig.server.on("ServiceListRequest", |ask| {
        let (page, size) = (ask["pageNo"].as_u64().unwrap_or(0), ask["pageSize"].as_u64().unwrap_or(0));
        let names: Vec<_> =
            ((page - 1) * size..(page * size).min(1200)).map(|number| format!("s{number:04}")).collect();
        Reply::Done(json!({"count": 1200, "serviceNames": names}))
    });
    let page = rig.naming.services("DEFAULT_GROUP", 2, 10).await.expect("a page");
    assert_eq!((page.count, page.names.len(), page.names[0].as_str()), (1200, 10, "s0010"));
    assert_eq!(rig.naming.all_services("DEFAULT_GROUP").await.expect("pages").len(), 1200);
    assert!(matches!(rig.naming.services("DEFAULT_GROUP", 0, 10).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn lists_outlive_the_server_on_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let with_files = |settings: &mut NamingSettings| {
        settings.cache_dir = Some(directory.path().to_owned());
        settings.load_cache_at_start = true;
    };
    let rig = Rig::with(with_files).await;
    rig.set("orders", 1, &[80]);
    rig.naming.instances("orders").await.expect("a list");
    assert!(rig.naming.close(PATIENCE).await, "closing writes what is not written yet");
    assert!(directory.path().join("naming/public/DEFAULT_GROUP%40%40orders").exists());

    let rig = Rig::with(with_files).await;
    rig.server.stop().await;
    let left = rig.naming.instances("orders").await.expect("a list");
    assert_eq!((ports(left.iter()), left.origin()), (vec![80], Origin::Disk));
    rig.set("orders", 1, &[81]);
    rig.server.start_again().await;
    let mut subscription = rig.naming.subscribe("orders", Selector::default()).expect("a name");
    while subscription.current().is_none_or(|list| list.origin() == Origin::Disk) {
        soon(subscription.changed()).await;
    }
    assert_eq!(ports(rig.naming.instances("orders").await.expect("a list").iter()), [81]);
}

#[tokio::test]
async fn failover_files_are_shown_instead_of_what_servers_say() {
    let directory = tempfile::tempdir().expect("a directory");
    let failover = directory.path().join("naming/public/failover");
    std::fs::create_dir_all(&failover).expect("the directory is writable");
    let write = |name: &str, text: &str| std::fs::write(failover.join(name), text).expect("the directory is writable");
    write("DEFAULT_GROUP%40%40orders", &list("orders", 1, &[7]).to_string());
    write("00-00---000-VIPSRV_FAILOVER_SWITCH-000---00-00", "1");
    let rig = Rig::with(|settings| settings.cache_dir = Some(directory.path().to_owned())).await;
    rig.set("orders", 1, &[80]);
    let mut subscription = rig.naming.subscribe("orders", Selector::default()).expect("a name");
    loop {
        let change = soon(subscription.changed()).await.expect("the client is open");
        if change.instances.origin() == Origin::Failover {
            break;
        }
    }
    rig.server.until(|counts| counts.registered == 1).await;
    rig.push("orders", 2, &[81]).await;
    assert_eq!(ports(rig.naming.instances("orders").await.expect("a list").iter()), [7]);
}
