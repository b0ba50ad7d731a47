//! What a server pushes, and what it hears in return.

use super::*;
use serde_json::json;

#[tokio::test]
async fn pushes_are_taken_in_their_order_and_answered_with_their_ids() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    let session = rig.session(|_| true).await;
    for number in 0..50 {
        let ack = server.push("NotifySubscriberRequest", json!({"number": number})).await;
        assert_eq!((ack.wire_type.as_str(), &ack.body["resultCode"]), ("NotifySubscriberResponse", &200.into()));
    }
    let taken = rig.taker.0.lock().clone();
    assert_eq!(taken.len(), 50);
    for (number, (generation, body)) in taken.iter().enumerate() {
        assert_eq!(*generation, session.generation);
        assert!(body.contains(&format!("\"number\":{number}")), "{body}");
    }
    rig.close().await;
}

#[tokio::test]
async fn a_push_that_cannot_be_taken_is_answered_as_a_failure_of_the_client() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    rig.ready().await;
    let ack = server.push("NotifySubscriberRequest", json!({"fail": true})).await;
    assert_eq!((ack.wire_type.as_str(), &ack.body["errorCode"]), ("ErrorResponse", &(-500).into()));
    assert_eq!(server.push("NotifySubscriberRequest", json!({})).await.body["resultCode"], 200);
    rig.close().await;
}

#[tokio::test]
async fn a_detection_is_answered_and_what_nobody_knows_is_passed_over() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    let session = rig.session(|_| true).await;
    server.send("NeverHeardOfRequest", json!({"deep": [{"er": null}]}));
    server.send("ConnectResetRequest", json!([1, 2]));
    let ack = server.push("ClientDetectionRequest", json!({"module": "internal", "new": {}})).await;
    assert_eq!((ack.wire_type.as_str(), &ack.body["success"]), ("ClientDetectionResponse", &true.into()));
    assert!(rig.session(|_| true).await.generation >= session.generation);
    rig.close().await;
}

#[tokio::test]
async fn a_handler_that_panics_costs_the_connection_and_not_the_link() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    let session = rig.session(|_| true).await;
    server.send("NotifySubscriberRequest", json!({"panic": true}));
    rig.session(|next| next.generation > session.generation).await;
    rig.ask().await.expect("an answer");
    rig.close().await;
}
