//! A server that is away for long: the pauses between attempts grow, and yet its clients are back soon after it is.

use std::time::Duration;

use nacrite_client::Client;
use nacrite_client::naming::{Instance, RegistrationState};
use nacrite_client::testkit::{Admission, ScriptedServer};

use crate::clock::{self, VirtualTime};

/// How soon after the return of a server everything is right.
const RIGHT_WITHIN: Duration = Duration::from_secs(3);

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes the server away for so long, brings it back, and sees that what is wanted is there in time, and nothing else.
async fn back_soon(
    away: Duration,
    leave: impl AsyncFnOnce(&ScriptedServer),
    come_back: impl AsyncFnOnce(&ScriptedServer),
) {
    let server = ScriptedServer::start().await;
    let client = Client::builder().server_list([server.address()]).build().expect("a good description");
    let kept = client.naming().register("kept", Instance::builder("10.0.0.1", 80)).await.expect("it registers");
    let gone = client.naming().register("gone", Instance::builder("10.0.0.1", 81)).await.expect("it registers");
    let time = VirtualTime::begin();
    leave(&server).await;
    // Nobody confirms it as long as the loss of the connection is not noticed.
    gone.deregister().await.ok();
    tokio::time::sleep(away).await;
    let last = server.counts().accepted;
    let before = server.seen(Some("InstanceRequest")).len();
    come_back(&server).await;
    let returned = clock::now();
    let again =
        server.until_seen("InstanceRequest", |seen| seen.connection >= last && seen.body["serviceName"] == "kept");
    again.await;
    kept.registered(PATIENCE).await.expect("it is registered again");
    assert!(returned.elapsed() <= RIGHT_WITHIN, "after {away:?} it took {:?}", returned.elapsed());
    assert!(matches!(*gone.state().borrow(), RegistrationState::Gone));
    assert!(client.close_within(PATIENCE).await);
    drop(time);
    let mut after = server.seen(Some("InstanceRequest")).into_iter().skip(before);
    let revived = after.find(|seen| seen.body["serviceName"] == "gone" && seen.body["type"] == "registerInstance");
    assert!(revived.is_none(), "what was taken back is back: {revived:?}");
}

#[tokio::test]
async fn clients_are_back_soon_however_long_a_server_refused_them() {
    for away in [1, 10, 60, 300] {
        back_soon(Duration::from_secs(away), ScriptedServer::stop, ScriptedServer::start_again).await;
    }
}

#[tokio::test]
async fn clients_are_back_soon_however_long_a_server_stood_still() {
    for away in [11, 30, 60, 300] {
        back_soon(Duration::from_secs(away), async |server| server.freeze(), async |server| server.thaw()).await;
    }
}

#[tokio::test]
async fn clients_are_back_soon_after_a_server_has_started() {
    for away in [1, 10, 25, 60, 300] {
        let leave = async |server: &ScriptedServer| {
            server.change(|behaviour| behaviour.admission = Admission::Starting);
            server.cut();
        };
        let come_back =
            async |server: &ScriptedServer| server.change(|behaviour| behaviour.admission = Admission::Open);
        back_soon(Duration::from_secs(away), leave, come_back).await;
    }
}
