//! `ServerReloadRequest`: another node asks this one to lose connections above a number.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_wire::json;
use nacrite_wire::rpc::connection::ServerReloadRequest;
use nacrite_wire::to_wire::connection::message_response;

use super::typed;
use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row(app: Arc<App>) -> Row {
    Row {
        wire_type: "ServerReloadRequest",
        needs: Needs::NodeIdentity,
        limit: LimitClass::Operation,
        senders: Senders::Nodes,
        failure: typed("ServerReloadResponse", ""),
        run: Box::new(move |call| handle(&app, call).into()),
    }
}

fn handle(app: &App, call: &Call<'_>) -> Answered {
    let ask: ServerReloadRequest<'_> = json::read(call.payload.body)?;
    let keep = usize::try_from(ask.reload_count).unwrap_or(0);
    let told = app.reload(keep, ask.reload_server.as_deref())?;
    Ok(message_response(if told == 0 { "ignore" } else { "ok" }))
}
