//! The caller's own instances: registered, changed, made again, taken back.

use super::*;
use crate::naming::door::Door;
use crate::testkit::Admission;

/// Sooner than anything would end that has a bound of its own. That bounds are kept to the millisecond is tested where
/// no socket and no other test can be late (`waiting`).
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn registrations_are_right_again_at_once_when_the_server_is_back() {
    let rig = Rig::new().await;
    let first = rig.naming.register("orders", instance(80)).await.expect("it registers");
    let second = rig.naming.register("orders", instance(81)).await.expect("it registers");
    rig.server.stop().await;
    until(first.state(), |state| !is_registered(state)).await;
    rig.server.start_again().await;
    until(first.state(), is_registered).await;
    until(second.state(), is_registered).await;
    let asked = rig.asked();
    assert_eq!(asked[..2], ["1:registerInstance:80", "1:batchRegisterInstance:80,81"]);
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[2].ends_with(":batchRegisterInstance:80,81"), "{asked:?}");
    // 3 s is how long leftovers wait: a new connection gets everything without that.
    let mut state = first.state();
    let RegistrationState::Registered { since } = *state.borrow_and_update() else { panic!("it is registered") };
    let Door::Grpc(link) = &rig.naming.door else { panic!("it goes over gRPC") };
    let stood = link.state().borrow().since;
    assert!(since.saturating_duration_since(stood) < Duration::from_secs(1), "it waited");
}

#[tokio::test]
async fn checklist_6_deregistering_without_a_server_never_resurrects() {
    let rig = Rig::new().await;
    let registration = rig.naming.register("orders", instance(80)).await.expect("it registers");
    rig.server.stop().await;
    until(registration.state(), |state| !is_registered(state)).await;
    soon(registration.deregister()).await.expect("nothing holds it");
    rig.server.start_again().await;
    let marker = rig.naming.register_in_background("marker", instance(99)).expect("a good instance");
    until(marker.state(), is_registered).await;
    // It is not registered again, and taken back once more, for servers that remember it.
    rig.server.until_seen("InstanceRequest", |seen| seen.body["type"] == "deregisterInstance").await;
    let mut asked = rig.asked().split_off(1);
    asked.sort_unstable_by_key(|one| one.ends_with(":99"));
    let [taken, marker] = &asked[..] else { panic!("{asked:?}") };
    assert!(taken.ends_with(":deregisterInstance:80") && marker.ends_with(":registerInstance:99"), "{asked:?}");
}

#[tokio::test]
async fn checklist_6_a_refusal_for_good_is_told_and_not_repeated() {
    let rig = Rig::with(|settings| settings.redo_pause = Duration::from_millis(10)).await;
    rig.server.on("InstanceRequest", |_| Reply::Error { code: 400, message: "no such kind".into() });
    let refused = rig.naming.register("orders", instance(80)).await;
    assert!(matches!(refused, Err(Error::Refused { code: 400, .. })), "{refused:?}");
    let background = rig.naming.register_in_background("pay", instance(81)).expect("a good instance");
    until(background.state(), |state| matches!(state, RegistrationState::Refused { kept: false, .. })).await;
    // Two passes of the redo later, and on another connection, there was still one question for each.
    rig.server.cut();
    rig.server.until(|counts| counts.accepted >= 2 && counts.registered == 1).await;
    rig.naming.subscribe("marker", Default::default()).expect("a name").resolved(PATIENCE).await.expect("a list");
    assert_eq!(rig.asked(), ["1:registerInstance:80", "1:registerInstance:81"]);
}

#[tokio::test]
async fn checklist_6_what_fails_for_now_is_tried_again() {
    let rig = Rig::with(|settings| settings.redo_pause = Duration::from_millis(10)).await;
    rig.server.on("InstanceRequest", |_| Reply::Error { code: 500, message: "no leader".into() });
    let registration = rig.naming.register_in_background("orders", instance(80)).expect("a good instance");
    until(registration.state(), |state| {
        matches!(state, RegistrationState::Retrying { reason, attempts: 2.. } if reason.to_string().contains("no leader"))
    })
    .await;
    rig.server.on("InstanceRequest", |_| Reply::Done(json!({})));
    until(registration.state(), is_registered).await;
}

#[tokio::test]
async fn checklist_7_the_set_of_own_instances_is_kept_together() {
    let rig = Rig::new().await;
    let first = rig.naming.register("orders", instance(80)).await.expect("it registers");
    rig.naming.register_all("orders", [instance(81), instance(82)]).await.expect("they register");
    first.deregister().await.expect("it leaves");
    rig.naming.deregister("orders", instance(81)).await.expect("it leaves");
    rig.naming.deregister_all("orders").await.expect("they leave");
    assert_eq!(
        rig.asked(),
        [
            "1:registerInstance:80",
            "1:batchRegisterInstance:80,81,82",
            "1:batchRegisterInstance:81,82",
            "1:batchRegisterInstance:82",
            "1:deregisterInstance:82"
        ]
    );
}

#[tokio::test]
async fn a_change_goes_out_and_survives_a_reconnect() {
    let rig = Rig::new().await;
    let registration = rig.naming.register("orders", instance(80)).await.expect("it registers");
    registration.update(|one| one.weight(5.0).enabled(false)).await.expect("it changes");
    let moved = registration.update(|_| instance(81)).await;
    assert!(matches!(moved, Err(Error::Invalid(_))), "{moved:?}");
    rig.server.cut();
    let again = rig.server.until_seen("InstanceRequest", |seen| seen.connection > 1).await;
    assert_eq!((&again.body["instance"]["weight"], &again.body["instance"]["enabled"]), (&json!(5.0), &json!(false)));
}

#[tokio::test]
async fn what_is_not_confirmed_in_time_is_taken_back() {
    let rig = Rig::with(|settings| settings.request_within = Duration::from_millis(300)).await;
    rig.server.on("InstanceRequest", |ask| match ask["type"].as_str() {
        Some("registerInstance") => Reply::Silence,
        _ => Reply::Done(json!({})),
    });
    let began = crate::clock::now();
    let late = rig.naming.register("orders", instance(80)).await;
    assert!(matches!(late, Err(Error::Deadline { .. } | Error::NotConnected(_))), "{late:?}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    rig.server.until_seen("InstanceRequest", |seen| seen.body["type"] == "deregisterInstance").await;
    soon(rig.naming.deregister("orders", instance(80))).await.expect("it is not there");
}

#[tokio::test]
async fn without_a_server_registering_fails_in_time_and_says_why() {
    let rig = Rig::with(|settings| settings.request_within = Duration::from_millis(200)).await;
    rig.server.stop().await;
    let began = crate::clock::now();
    let refused = rig.naming.register("orders", instance(80)).await;
    let why = refused.expect_err("there is no server").to_string();
    assert!(why.contains("cannot be reached") && why.contains(&rig.server.address().grpc_port().to_string()), "{why}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    rig.server.start_again().await;
    let marker = rig.naming.register_in_background("marker", instance(99)).expect("a good instance");
    until(marker.state(), is_registered).await;
    assert_eq!(rig.asked().len(), 1, "an error means that it is not wanted any more");
}

#[tokio::test]
async fn a_caller_who_stops_waiting_wants_it_no_more() {
    let rig = Rig::new().await;
    rig.server.change(|behaviour| behaviour.admission = Admission::Starting);
    rig.server.cut();
    let waiting = tokio::time::timeout(Duration::from_millis(50), rig.naming.register("orders", instance(80)));
    assert!(waiting.await.is_err(), "there is no server");
    assert!(rig.naming.shared.is_over());
}

#[tokio::test]
async fn closing_takes_everything_back() {
    let rig = Rig::new().await;
    rig.naming.register("orders", instance(80)).await.expect("it registers");
    let mut subscription = rig.naming.subscribe("pay", Default::default()).expect("a name");
    subscription.resolved(PATIENCE).await.expect("a list");
    assert!(rig.naming.close(PATIENCE).await);
    rig.server.until_seen("InstanceRequest", |seen| seen.body["type"] == "deregisterInstance").await;
    rig.server.until_seen("SubscribeServiceRequest", |seen| seen.body["subscribe"] == false).await;
    assert!(soon(subscription.changed()).await.is_some(), "what was known last");
    assert!(soon(subscription.changed()).await.is_none());
    let after = rig.naming.register("orders", instance(80)).await;
    assert!(matches!(after, Err(Error::Closed)), "{after:?}");
}

#[tokio::test]
async fn closing_does_not_wait_for_a_silent_server() {
    let rig = Rig::new().await;
    rig.naming.register("orders", instance(80)).await.expect("it registers");
    rig.server.freeze();
    let began = crate::clock::now();
    assert!(!rig.naming.close(Duration::from_millis(100)).await);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn stopping_the_tasks_leaves_none() {
    let rig = Rig::new().await;
    let callback = rig.naming.subscribe_with("orders", Default::default(), drop).expect("a name");
    rig.naming.register("orders", instance(80)).await.expect("it registers");
    assert!(rig.tasks.stop_all(PATIENCE).await, "a task does not end");
    assert_eq!(rig.tasks.count(), 0);
    drop(callback);
}

#[tokio::test]
async fn thousands_of_services_come_back_together() {
    const MANY: usize = 2000;
    let rig = Rig::new().await;
    let all: Vec<_> = (0..MANY)
        .map(|number| rig.naming.subscribe(&format!("s{number}"), Default::default()).expect("a name"))
        .collect();
    for subscription in &all {
        subscription.resolved(PATIENCE).await.expect("a list");
    }
    rig.server.cut();
    let of_second =
        |rig: &Rig| rig.server.seen(Some("SubscribeServiceRequest")).iter().filter(|seen| seen.connection > 1).count();
    while of_second(&rig) < MANY {
        let before = rig.server.counts().requests;
        if of_second(&rig) < MANY {
            rig.server.until(|counts| counts.requests > before).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_replaces_no_sets_is_told_who_is_gone() {
    let server = ScriptedServer::start().await;
    server.change(|behaviour| {
        behaviour.negotiates = false;
        behaviour.abilities.clear();
    });
    let rig = Rig::at(server, |_| {});
    rig.naming.register_all("orders", [instance(80), instance(81)]).await.expect("they register");
    rig.naming.deregister("orders", instance(80)).await.expect("it leaves");
    let asked = ["1:batchRegisterInstance:80,81", "1:batchRegisterInstance:81", "1:deregisterInstance:80"];
    assert_eq!(rig.asked(), asked);
}

#[tokio::test]
async fn every_call_can_be_made_from_a_task_of_its_own() {
    fn sent<T: Send>(call: T) -> T {
        call
    }
    let rig = Rig::new().await;
    let naming = &rig.naming;
    let registration = sent(naming.register("orders", instance(80))).await.expect("it registers");
    sent(naming.register_all("orders", [instance(81)])).await.expect("it registers");
    sent(registration.update(|one| one)).await.expect("it stays");
    let mut subscription = sent(naming.subscribe("orders", Default::default())).expect("a name");
    sent(subscription.resolved(PATIENCE)).await.expect("a list");
    assert!(sent(subscription.changed()).await.is_some());
    sent(naming.instances("orders")).await.expect("a list");
    sent(naming.select_one("orders")).await.expect("a list");
    sent(naming.query("orders")).await.expect("a list");
    sent(naming.deregister("orders", instance(80))).await.expect("it leaves");
    sent(naming.deregister_all("orders")).await.expect("they leave");
    assert!(sent(naming.close(PATIENCE)).await);
}
