//! `BatchInstanceRequest`: a client states all its ephemeral instances of a service.

use nacrite_app::naming::Naming;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area};
use nacrite_wire::from_wire::naming::batch_request;
use nacrite_wire::to_wire::naming::BATCH_REGISTERED;

use super::thrown;
use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row(naming: Naming) -> Row {
    Row {
        wire_type: "BatchInstanceRequest",
        needs: Needs::Permission(Action::Write, Area::Naming),
        limit: LimitClass::NamingWrite,
        senders: Senders::Anybody,
        failure: thrown("BatchInstanceResponse"),
        run: Box::new(move |call| handle(&naming, call).into()),
    }
}

fn handle(naming: &Naming, call: &Call<'_>) -> Answered {
    let (service, instances) = batch_request(call.payload.body)?;
    naming.register(call.connection, &service, instances)?;
    Ok(BATCH_REGISTERED)
}
