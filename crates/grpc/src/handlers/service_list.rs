//! `ServiceListRequest`: the services of a group, page by page.

use nacrite_app::naming::{Naming, Page};
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area};
use nacrite_wire::from_wire::naming::list_request;
use nacrite_wire::to_wire::naming::list_response;
use nacrite_wire::to_wire::{Failure, FailureShape};

use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row(naming: Naming) -> Row {
    Row {
        wire_type: "ServiceListRequest",
        needs: Needs::Permission(Action::Read, Area::Naming),
        limit: LimitClass::NamingRead,
        senders: Senders::Anybody,
        failure: Failure {
            answer_type: "ServiceListResponse",
            shape: FailureShape::Thrown,
            fields: ",\"count\":0,\"serviceNames\":[]",
        },
        run: Box::new(move |call| handle(&naming, call).into()),
    }
}

fn handle(naming: &Naming, call: &Call<'_>) -> Answered {
    let ask = list_request(call.payload.body)?;
    let page = ask
        .scope
        .map_or_else(Page::default, |(namespace, group)| naming.list(&namespace, &group, ask.page_no, ask.page_size));
    let names: Vec<&str> = page.names.iter().map(|name| name.as_str()).collect();
    Ok(list_response(page.count, &names))
}
