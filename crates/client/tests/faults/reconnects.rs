//! A thousand connections, one after the other: everything is asked for again exactly once on each, and nothing is left of
//! those before.

use std::time::Duration;

use nacrite_client::Client;
use nacrite_client::naming::{Instance, Selector};
use nacrite_client::testkit::{Counts, Reply, ScriptedServer};
use serde_json::json;

/// How often the connection is taken away.
const RECONNECTS: u64 = 1_000;

/// Instances and subscriptions of the client, as many of each.
const HELD: usize = 5;

/// Requests on each connection: what are you, and one for each thing that is held.
const REQUESTS: u64 = 1 + 2 * HELD as u64;

/// How many tasks there are, of the client and of the server.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Waits until connection number `nth` has everything, and no other one is open.
async fn settled(server: &ScriptedServer, nth: u64) {
    let settled = |counts: &Counts| {
        counts.accepted == nth && counts.requests >= nth * REQUESTS && (counts.open, counts.registered) == (1, 1)
    };
    server.until(settled).await;
}

#[tokio::test]
async fn a_thousand_reconnects_lose_nothing_and_leave_nothing_behind() {
    let server = ScriptedServer::start().await;
    server.on("SubscribeServiceRequest", |asked| {
        let host = json!({"ip": "10.0.0.1", "port": 80});
        let list = json!({"name": asked["serviceName"], "groupName": asked["groupName"], "hosts": [host]});
        Reply::Done(json!({"serviceInfo": list}))
    });
    let builder = Client::builder().server_list([server.address()]).link_settings(|settings| {
        // A connection counts as one that has lasted at once, so that the next one is not delayed.
        (settings.pause_max, settings.pause_step) = (Duration::from_millis(1), Duration::from_millis(1));
        settings.handover = Duration::from_millis(1);
    });
    let client = builder.build().expect("a good description");
    let mut subscriptions = Vec::new();
    for nth in 0..HELD {
        let provided = format!("provided-{nth}");
        client.naming().register(&*provided, Instance::builder("10.0.0.2", 80)).await.expect("it registers");
        let consumed = format!("consumed-{nth}");
        subscriptions.push(client.naming().subscribe(&*consumed, Selector::default()).expect("a name"));
    }
    for subscription in &mut subscriptions {
        assert_eq!(subscription.changed().await.expect("the client is open").added.len(), 1);
    }
    settled(&server, 1).await;
    let before = tasks();
    for nth in 1..=RECONNECTS {
        match nth % 4 {
            0 => drop(server.send_away(None).await),
            1 => server.end_streams(),
            _ => server.cut(),
        }
        settled(&server, nth + 1).await;
    }
    assert_eq!(server.counts().requests, (RECONNECTS + 1) * REQUESTS, "something was asked for twice");
    // A task may have done its work and not have been looked at since.
    let calm = async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    };
    let calmed = tokio::time::timeout(Duration::from_secs(5), calm).await;
    assert!(calmed.is_ok(), "{before} tasks have become {}", tasks());
    for subscription in &mut subscriptions {
        use futures_util::FutureExt as _;
        let again = subscription.changed().now_or_never();
        assert!(again.is_none(), "nothing has changed: {again:?}");
    }
    assert!(client.close_within(Duration::from_secs(5)).await);
    server.until(|counts| counts.open == 0).await;
}
