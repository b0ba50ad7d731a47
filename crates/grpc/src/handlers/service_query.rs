//! `ServiceQueryRequest`: what a service looks like now.

use nacrite_app::naming::Naming;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area};
use nacrite_naming::ClusterFilter;
use nacrite_wire::from_wire::naming::query_request;
use nacrite_wire::to_wire::naming::query_response;

use super::thrown;
use crate::rendered;
use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row(naming: Naming) -> Row {
    Row {
        wire_type: "ServiceQueryRequest",
        needs: Needs::Permission(Action::Read, Area::Naming),
        limit: LimitClass::NamingRead,
        senders: Senders::Anybody,
        failure: thrown("QueryServiceResponse"),
        run: Box::new(move |call| handle(&naming, call).into()),
    }
}

fn handle(naming: &Naming, call: &Call<'_>) -> Answered {
    let ask = query_request(call.payload.body)?;
    let view = naming.query(&ask.service);
    let dialect = call.dialect();
    Ok(query_response(&rendered::list(&view, dialect, &ClusterFilter::new(&ask.clusters), ask.healthy_only)))
}
