//! Instances in v2.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::Naming;
use nacrite_wire::from_wire::instance::Strictness;
use nacrite_wire::http::envelope;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::beat::v2_beat;
use nacrite_wire::http::naming::detail::detail;
use nacrite_wire::http::naming::form_service;
use nacrite_wire::http::naming::instance::{InstanceRef, clusters, form_instance, form_ref, v2_patch};
use nacrite_wire::http::naming::polling::v2_poll;

use crate::naming::{self, cases, reads, writes};
use crate::polling;
use crate::rendered::{self, Shape};
use crate::reply::{self, Answer};
use crate::table::{Answered, Call, Row};

const V2: Generation = Generation::V2;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [register, deregister, update, patch, get, beat] = std::array::from_fn(|_| cases(app));
    let list = Arc::clone(app);
    vec![
        writes("POST /v2/ns/instance", V2, move |call| {
            naming::register(&register, form_instance(&call.params, Strictness::Single)?, ok)
        }),
        writes("DELETE /v2/ns/instance", V2, move |call| {
            naming::deregister(&deregister, form_instance(&call.params, Strictness::Lax)?, ok)
        }),
        writes("PUT /v2/ns/instance", V2, move |call| {
            Ok(naming::update(&update, form_instance(&call.params, Strictness::Lax)?, ok))
        }),
        writes("PATCH /v2/ns/instance", V2, move |call| {
            naming::patch(&patch, v2_patch(&call.params)?, || reply::text("ok"))
        }),
        reads("GET /v2/ns/instance", V2, move |call| show(&get, call)),
        reads("GET /v2/ns/instance/list", V2, move |call| show_list(&list, call)),
        writes("PUT /v2/ns/instance/beat", V2, move |call| Ok(naming::beat(&beat, v2_beat(&call.params)?).into())),
    ]
}

pub(super) fn ok() -> Answer {
    reply::json(envelope::OK)
}

fn show(naming: &Naming, call: &Call<'_>) -> Answered {
    let InstanceRef { service, key } = form_ref(&call.params)?;
    let instance = naming::instance(naming, &service, &key)?;
    Ok(reply::json(envelope::result(&detail("serviceName", &service, &instance))))
}

/// Here `ip` and `port` are where a client is told over UDP, and no filter.
fn show_list(app: &App, call: &Call<'_>) -> Answered {
    let service = form_service(&call.params)?;
    let clusters = clusters(call.params.get("clusterName"))?;
    let healthy_only = call.params.form_flag("healthyOnly")?.unwrap_or(false);
    let view = polling::view(app, call, &service, clusters, v2_poll(&call.params)?);
    Ok(reply::json(rendered::list(&view, Shape::V2, clusters, healthy_only)))
}
