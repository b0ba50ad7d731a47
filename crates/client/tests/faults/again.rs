//! What is dropped and wanted again before the server has heard of either.

use std::time::Duration;

use nacrite_client::Client;
use nacrite_client::naming::Selector;
use nacrite_client::testkit::{Reply, ScriptedServer};
use serde_json::json;

use crate::samples;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The subscription stood at the server all the while, but what was known had been forgotten with the last subscriber: the
/// new one waited for the next change, which may never come.
#[tokio::test]
async fn a_subscription_that_is_made_again_at_once_sees_the_list() {
    let server = ScriptedServer::start().await;
    server.on("SubscribeServiceRequest", |_| Reply::Done(json!({"serviceInfo": samples::service_info()})));
    let client = Client::builder().server_list([server.address()]).build().expect("a good description");
    for _ in 0..3 {
        let subscription = client.naming().subscribe("orders", Selector::default()).expect("a name");
        let list = subscription.resolved(PATIENCE).await.expect("a list");
        assert_eq!(list.len(), 1);
        drop(subscription);
    }
    assert!(client.close_within(PATIENCE).await);
}
