//! `HealthCheckRequest`: a client that is otherwise silent shows that it is there. What counts was done before: the
//! connection was found registered and its clock was wound.

use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_wire::json;
use nacrite_wire::rpc::connection::NoFields;
use nacrite_wire::to_wire::DONE;

use super::thrown;
use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row() -> Row {
    Row {
        wire_type: "HealthCheckRequest",
        needs: Needs::Nothing,
        limit: LimitClass::Connection,
        senders: Senders::Anybody,
        failure: thrown("HealthCheckResponse"),
        run: Box::new(|call| handle(call).into()),
    }
}

fn handle(call: &Call<'_>) -> Answered {
    json::read::<NoFields>(call.payload.body)?;
    Ok(DONE)
}
