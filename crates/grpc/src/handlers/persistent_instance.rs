//! `PersistentInstanceRequest`: somebody adds or removes an instance that lives until it is removed. The connection does
//! not own it.

use nacrite_app::naming::Naming;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area, Fault};
use nacrite_wire::from_wire::instance::Strictness;
use nacrite_wire::from_wire::naming::{InstanceAsk, instance_request};
use nacrite_wire::to_wire::naming::{DEREGISTERED, REGISTERED};

use super::thrown;
use crate::table::{Call, Reply, Row, Senders};

pub(super) fn row(naming: Naming) -> Row {
    Row {
        wire_type: "PersistentInstanceRequest",
        needs: Needs::Permission(Action::Write, Area::Naming),
        limit: LimitClass::ConfigWrite,
        senders: Senders::Anybody,
        failure: thrown("InstanceResponse"),
        run: Box::new(move |call| handle(naming.clone(), call)),
    }
}

fn handle(naming: Naming, call: &Call<'_>) -> Reply {
    match instance_request(call.payload.body, Strictness::Lax) {
        Err(fault) => fault.into(),
        Ok(InstanceAsk::Register { service, instance }) => Reply::later(async move {
            naming.register_persistent(&service, instance).await?;
            Ok(REGISTERED)
        }),
        Ok(InstanceAsk::Deregister { instance: None, .. }) => Fault::InstanceAbsent.into(),
        Ok(InstanceAsk::Deregister { service, instance: Some(instance) }) => Reply::later(async move {
            naming.deregister_persistent(&service, instance.instance.key).await?;
            Ok(DEREGISTERED)
        }),
    }
}
