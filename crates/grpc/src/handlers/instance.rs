//! `InstanceRequest`: a client adds or removes its ephemeral instance of a service.

use nacrite_app::naming::Naming;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area};
use nacrite_wire::from_wire::instance::Strictness;
use nacrite_wire::from_wire::naming::{InstanceAsk, instance_request};
use nacrite_wire::to_wire::naming::{DEREGISTERED, REGISTERED};

use super::thrown;
use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row(naming: Naming) -> Row {
    Row {
        wire_type: "InstanceRequest",
        needs: Needs::Permission(Action::Write, Area::Naming),
        limit: LimitClass::NamingWrite,
        senders: Senders::Anybody,
        failure: thrown("InstanceResponse"),
        run: Box::new(move |call| handle(&naming, call).into()),
    }
}

fn handle(naming: &Naming, call: &Call<'_>) -> Answered {
    match instance_request(call.payload.body, Strictness::Single)? {
        InstanceAsk::Register { service, instance } => {
            naming.register(call.connection, &service, vec![instance])?;
            Ok(REGISTERED)
        }
        InstanceAsk::Deregister { service, instance } => {
            naming.deregister(call.connection, &service, instance.map(|new| new.instance.key))?;
            Ok(DEREGISTERED)
        }
    }
}
