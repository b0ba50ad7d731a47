//! Instances for programs in v3: register, renew, deregister, list.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::{Beaten, Naming};
use nacrite_wire::codes::body;
use nacrite_wire::from_wire::instance::Strictness;
use nacrite_wire::http::envelope::{self, result_of};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::form_service;
use nacrite_wire::http::naming::instance::{clusters, form_instance};
use nacrite_wire::http::refusal::Refusal;

use crate::naming::{self, cases, reads, writes};
use crate::rendered::{self, Shape};
use crate::reply::{self, Answer};
use crate::table::{Answered, Call, Reply, Row};

const V3: Generation = Generation::V3;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [register, deregister, list] = std::array::from_fn(|_| cases(app));
    vec![
        writes("POST /v3/client/ns/instance", V3, move |call| register_or_renew(&register, call)),
        writes("DELETE /v3/client/ns/instance", V3, move |call| {
            naming::deregister(&deregister, form_instance(&call.params, Strictness::Lax)?, ok)
        }),
        reads("GET /v3/client/ns/instance/list", V3, move |call| show_list(&list, call)),
    ]
}

pub(super) fn ok() -> Answer {
    reply::json(envelope::OK)
}

/// A heart-beat only renews: who is not known is told so, with success as the status, and registers again.
fn register_or_renew(naming: &Naming, call: &Call<'_>) -> Result<Reply, Refusal> {
    let ask = form_instance(&call.params, Strictness::Single)?;
    if !call.params.form_flag("heartBeat")?.unwrap_or(false) {
        return naming::register(naming, ask, ok);
    }
    let answer = match naming.beat(&ask.service, &ask.new.instance.key, None)? {
        Beaten::Alive { .. } => ok(),
        Beaten::Unknown => reply::json(result_of(body::INSTANCE_NOT_FOUND, b"null")),
    };
    Ok(Reply::Now(Ok(answer)))
}

/// A bare list; other clusters than the default one must be named (`reference/http.md`, 4.1).
fn show_list(naming: &Naming, call: &Call<'_>) -> Answered {
    let service = form_service(&call.params)?;
    let clusters = clusters(Some(call.params.get("clusterName").unwrap_or("DEFAULT")))?;
    Ok(reply::json(rendered::list(&naming.query(&service), Shape::V3, clusters, false)))
}
