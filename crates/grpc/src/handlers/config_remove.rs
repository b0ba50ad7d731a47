//! `ConfigRemoveRequest`: removes a config, or a gray version of it. Failures carry no code (recorded:
//! `config-invalid-keys`).

use nacrite_app::config::ConfigCases;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area, Publisher};
use nacrite_wire::from_wire::config::remove_request;
use nacrite_wire::to_wire::{DONE, Failure, FailureShape};

use crate::table::{Call, Reply, Row, Senders};

pub(super) fn row(config: ConfigCases) -> Row {
    Row {
        wire_type: "ConfigRemoveRequest",
        needs: Needs::Permission(Action::Write, Area::Config),
        limit: LimitClass::ConfigWrite,
        senders: Senders::Anybody,
        failure: Failure { answer_type: "ConfigRemoveResponse", shape: FailureShape::TypedWithoutCode, fields: "" },
        run: Box::new(move |call| handle(config.clone(), call)),
    }
}

fn handle(config: ConfigCases, call: &Call<'_>) -> Reply {
    let ask = match remove_request(call.payload.body) {
        Ok(ask) => ask,
        Err(fault) => return fault.into(),
    };
    let by = Publisher { user: None, ip: call.remote_ip() };
    Reply::later(async move {
        config.remove(ask.key, ask.gray.map(|name| name.as_str().into()), by).await?;
        Ok(DONE)
    })
}
