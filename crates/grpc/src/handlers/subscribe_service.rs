//! `SubscribeServiceRequest`: a client wants to be told of changes of a service, or no longer. The answer is what the
//! service looks like before the subscription counts (`reference/grpc.md`, 4.2.5).

use std::sync::Arc;

use nacrite_app::naming::Naming;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area};
use nacrite_naming::{ClusterFilter, Subscription};
use nacrite_wire::from_wire::naming::subscribe_request;
use nacrite_wire::to_wire::naming::subscribe_response;

use super::thrown;
use crate::rendered;
use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row(naming: Naming) -> Row {
    Row {
        wire_type: "SubscribeServiceRequest",
        needs: Needs::Permission(Action::Read, Area::Naming),
        limit: LimitClass::NamingRead,
        senders: Senders::Anybody,
        failure: thrown("SubscribeServiceResponse"),
        run: Box::new(move |call| handle(&naming, call).into()),
    }
}

fn handle(naming: &Naming, call: &Call<'_>) -> Answered {
    let (subscribe, ask) = subscribe_request(call.payload.body)?;
    let clusters = ClusterFilter::new(&ask.clusters);
    let view = if subscribe {
        naming.subscribe(call.connection, &ask.service, subscription(call, clusters.clone()))?
    } else {
        naming.unsubscribe(call.connection, &ask.service)?
    };
    Ok(subscribe_response(&rendered::list(&view, call.dialect(), &clusters, false)))
}

/// What operators see of a subscriber: the application of the connection, or of this request where that has none.
fn subscription(call: &Call<'_>, clusters: ClusterFilter) -> Subscription {
    let introduction = call.introduction();
    let app: Arc<str> = match introduction.app_name() {
        "-" => call.payload.header("app").unwrap_or("unknown").into(),
        name => name.into(),
    };
    Subscription { clusters, app, agent: introduction.version, address: introduction.client_ip }
}
