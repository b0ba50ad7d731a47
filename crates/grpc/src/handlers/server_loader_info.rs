//! `ServerLoaderInfoRequest`: another node asks how many connections this one has.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_wire::json;
use nacrite_wire::rpc::connection::NoFields;
use nacrite_wire::to_wire::connection::loader_info_response;

use super::typed;
use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row(app: Arc<App>) -> Row {
    Row {
        wire_type: "ServerLoaderInfoRequest",
        needs: Needs::NodeIdentity,
        limit: LimitClass::Operation,
        senders: Senders::Nodes,
        failure: typed("ServerLoaderInfoResponse", ""),
        run: Box::new(move |call| handle(&app, call).into()),
    }
}

fn handle(app: &App, call: &Call<'_>) -> Answered {
    json::read::<NoFields>(call.payload.body)?;
    let own = app.balance.own();
    // Load and processor use of the machine are not measured here; whoever balances goes by the connections.
    let mut metrics = vec![
        ("conCount", own.all.to_string()),
        ("sdkConCount", own.sdk.to_string()),
        ("load", "0.0".to_owned()),
        ("cpu", "0.0".to_owned()),
    ];
    if own.is_draining {
        // Not Nacos's: others are to send no clients here.
        metrics.push(("draining", "1".to_owned()));
    }
    Ok(loader_info_response(&metrics))
}
