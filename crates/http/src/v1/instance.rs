//! Instances in v1.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::Naming;
use nacrite_wire::from_wire::instance::Strictness;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::beat::v1_beat;
use nacrite_wire::http::naming::detail::detail;
use nacrite_wire::http::naming::instance::{InstanceRef, clusters, v1_instance, v1_patch, v1_ref};
use nacrite_wire::http::naming::polling::v1_poll;
use nacrite_wire::http::naming::v1_service;

use crate::naming::{self, cases, reads, writes};
use crate::polling;
use crate::rendered::{self, Shape};
use crate::reply::{self, Answer};
use crate::table::{Answered, Call, Row};

const V1: Generation = Generation::NamingV1;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [register, deregister, update, patch, get, beat] = std::array::from_fn(|_| cases(app));
    let list = Arc::clone(app);
    vec![
        writes("POST /v1/ns/instance", V1, move |call| {
            naming::register(&register, v1_instance(&call.params, Strictness::Single)?, ok)
        }),
        writes("DELETE /v1/ns/instance", V1, move |call| {
            naming::deregister(&deregister, v1_instance(&call.params, Strictness::Lax)?, ok)
        }),
        writes("PUT /v1/ns/instance", V1, move |call| {
            Ok(naming::update(&update, v1_instance(&call.params, Strictness::Lax)?, ok))
        }),
        writes("PATCH /v1/ns/instance", V1, move |call| naming::patch(&patch, v1_patch(&call.params)?, ok)),
        reads("GET /v1/ns/instance", V1, move |call| show(&get, call)),
        reads("GET /v1/ns/instance/list", V1, move |call| show_list(&list, call)),
        writes("PUT /v1/ns/instance/beat", V1, move |call| Ok(naming::beat(&beat, v1_beat(&call.params)?).into())),
    ]
}

pub(super) fn ok() -> Answer {
    reply::text("ok")
}

fn show(naming: &Naming, call: &Call<'_>) -> Answered {
    let InstanceRef { service, key } = v1_ref(&call.params)?;
    let instance = naming::instance(naming, &service, &key)?;
    Ok(reply::json(detail("service", &service, &instance)))
}

fn show_list(app: &App, call: &Call<'_>) -> Answered {
    let service = v1_service(&call.params)?;
    let clusters = clusters(call.params.get("clusters"))?;
    let healthy_only = call.params.is_true("healthyOnly");
    let view = polling::view(app, call, &service, clusters, v1_poll(&call.params)?);
    Ok(reply::json(rendered::list(&view, Shape::V1, clusters, healthy_only)))
}
