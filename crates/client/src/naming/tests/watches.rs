//! Watching which services there are.

use super::*;
use crate::naming::{ServiceWatch, SubscriptionState};

const PATTERN: &str = "public>>DEFAULT_GROUP>>or*";

fn able(server: &ScriptedServer) {
    server.change(|behaviour| behaviour.abilities.extend([("fuzzyWatch".to_owned(), true)]));
}

async fn able_rig() -> Rig {
    let server = ScriptedServer::start().await;
    able(&server);
    Rig::at(server, |_| {})
}

async fn sync(rig: &Rig, sync_type: &str, services: &[(&str, &str)]) {
    let context = |(name, changed): &(&str, &str)| json!({"serviceKey": format!("public@@DEFAULT_GROUP@@{name}"), "changedType": changed});
    let contexts: Vec<_> = services.iter().map(context).collect();
    let body = json!({"syncType": sync_type, "groupKeyPattern": PATTERN, "contexts": contexts});
    let answer = rig.server.push("NamingFuzzyWatchSyncRequest", body).await;
    assert_eq!(answer.wire_type, "NamingFuzzyWatchChangeNotifyResponse");
}

async fn change(rig: &Rig, name: &str, changed: &str) {
    let key = format!("public@@DEFAULT_GROUP@@{name}");
    let body = json!({"syncType": "FUZZY_WATCH_RESOURCE_CHANGED", "serviceKey": key, "changedType": changed});
    rig.server.push("NamingFuzzyWatchChangeNotifyRequest", body).await;
}

async fn next(watch: &mut ServiceWatch) -> String {
    let change = soon(watch.changed()).await.expect("the client is open");
    let names =
        |keys: &[nacrite_base::ServiceKey]| keys.iter().map(|key| key.name.to_string()).collect::<Vec<_>>().join(",");
    let all: Vec<_> = change.services.iter().cloned().collect();
    format!("{} +{} -{}", names(&all), names(&change.appeared), names(&change.vanished))
}

#[tokio::test]
async fn services_are_told_as_they_come_and_go() {
    let rig = able_rig().await;
    let mut watch = rig.naming.watch_services("DEFAULT_GROUP", "or*").expect("a pattern");
    watch.active(PATIENCE).await.expect("the server can do it");
    let asked = rig.server.until_seen("NamingFuzzyWatchRequest", |_| true).await;
    assert_eq!((&asked.body["groupKeyPattern"], &asked.body["initializing"]), (&json!(PATTERN), &json!(true)));
    sync(&rig, "FUZZY_WATCH_INIT_NOTIFY", &[("orders", "ADD_SERVICE"), ("ores", "ADD_SERVICE")]).await;
    sync(&rig, "FINISH_FUZZY_WATCH_INIT_NOTIFY", &[]).await;
    assert_eq!(next(&mut watch).await, "orders,ores +orders,ores -");
    change(&rig, "ores", "DELETE_SERVICE").await;
    assert_eq!(next(&mut watch).await, "orders + -ores");
    let mut late = rig.naming.watch_services("DEFAULT_GROUP", "or*").expect("a pattern");
    assert_eq!(next(&mut late).await, "orders +orders -", "a late watcher begins with all of it");
}

#[tokio::test]
async fn a_new_connection_is_told_what_is_known() {
    let rig = able_rig().await;
    let mut watch = rig.naming.watch_services("DEFAULT_GROUP", "or*").expect("a pattern");
    let first = rig.server.until_seen("NamingFuzzyWatchRequest", |_| true).await;
    sync(&rig, "FUZZY_WATCH_INIT_NOTIFY", &[("orders", "ADD_SERVICE")]).await;
    sync(&rig, "FINISH_FUZZY_WATCH_INIT_NOTIFY", &[]).await;
    assert_eq!(next(&mut watch).await, "orders +orders -");
    rig.server.cut();
    let again = rig.server.until_seen("NamingFuzzyWatchRequest", |seen| seen.connection > first.connection).await;
    assert_eq!(again.body["receivedGroupKeys"], json!(["public@@DEFAULT_GROUP@@orders"]));
    assert_eq!(again.body["initializing"], json!(false));
    rig.server.until(|counts| counts.registered == 1).await;
    sync(&rig, "FUZZY_WATCH_DIFF_SYNC_NOTIFY", &[("orders", "DELETE_SERVICE"), ("ore", "ADD_SERVICE")]).await;
    assert_eq!(next(&mut watch).await, "ore +ore -orders");
}

#[tokio::test]
async fn the_last_watcher_ends_the_watch_at_the_server() {
    let rig = able_rig().await;
    let one = rig.naming.watch_services("DEFAULT_GROUP", "or*").expect("a pattern");
    let two = rig.naming.watch_services("DEFAULT_GROUP", "or*").expect("a pattern");
    two.active(PATIENCE).await.expect("the server can do it");
    drop(one);
    drop(two);
    rig.server.until_seen("NamingFuzzyWatchRequest", |seen| seen.body["watchType"] == "CANCEL_WATCH").await;
    assert_eq!(rig.server.seen(Some("NamingFuzzyWatchRequest")).len(), 2);
}

#[tokio::test]
async fn a_server_that_cannot_do_it_is_not_asked() {
    let rig = Rig::new().await;
    let watch = rig.naming.watch_services("DEFAULT_GROUP", "*").expect("a pattern");
    let refused = watch.active(PATIENCE).await;
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
    assert!(rig.server.seen(Some("NamingFuzzyWatchRequest")).is_empty());
    // Another server may be able to.
    able(&rig.server);
    rig.server.cut();
    let mut state = watch.state();
    soon(state.wait_for(|state| matches!(state, SubscriptionState::Active { .. }))).await.expect("it is watched");
}

#[tokio::test]
async fn limits_of_the_server_are_told() {
    let rig = able_rig().await;
    rig.server.on("NamingFuzzyWatchRequest", |_| Reply::Failed { code: 50311, message: "too many".into() });
    let mut watch = rig.naming.watch_services("DEFAULT_GROUP", "or*").expect("a pattern");
    watch.active(PATIENCE).await.expect("it is watched all the same");
    sync(&rig, "FINISH_FUZZY_WATCH_INIT_NOTIFY", &[]).await;
    assert!(soon(watch.changed()).await.expect("the client is open").limited);
    rig.server.on("NamingFuzzyWatchRequest", |_| Reply::Failed { code: 50310, message: "too many".into() });
    let full = rig.naming.watch_services("DEFAULT_GROUP", "x*").expect("a pattern");
    let refused = full.active(PATIENCE).await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
}
