//! `ServerLoaderInfoRequest`: another node asks how many connections this one has.

use std::sync::Arc;

use nacrite_app::connections::{Connections, Introduction};
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_wire::json;
use nacrite_wire::rpc::connection::NoFields;
use nacrite_wire::to_wire::connection::loader_info_response;

use super::typed;
use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row(connections: Arc<Connections>) -> Row {
    Row {
        wire_type: "ServerLoaderInfoRequest",
        needs: Needs::NodeIdentity,
        limit: LimitClass::Operation,
        senders: Senders::Nodes,
        failure: typed("ServerLoaderInfoResponse", ""),
        run: Box::new(move |call| handle(&connections, call).into()),
    }
}

fn handle(connections: &Connections, call: &Call<'_>) -> Answered {
    json::read::<NoFields>(call.payload.body)?;
    let all = connections.all();
    let sdk = all.iter().filter(|c| c.introduction().is_some_and(Introduction::is_sdk)).count();
    // Load and processor use of the machine are not measured here; whoever balances goes by the connections.
    Ok(loader_info_response(&[
        ("conCount", all.len().to_string()),
        ("sdkConCount", sdk.to_string()),
        ("load", "0.0".to_owned()),
        ("cpu", "0.0".to_owned()),
    ]))
}
