//! Clusters, health, checks and switches for operators in v3.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_wire::http::envelope::result;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::cluster::{checkers, form_cluster};
use nacrite_wire::http::naming::form_service;
use nacrite_wire::http::naming::health::form_health;
use nacrite_wire::http::naming::switches::{SwitchNames, form_switch, switches};
use nacrite_wire::http::refusal::Refusal;

use super::client_instance::ok;
use crate::health::{set_cluster, set_health, set_switch, show_checks};
use crate::naming::{LOOK, OPERATE, operates, reads, writes};
use crate::reply;
use crate::table::{Reply, Row};

const V3: Generation = Generation::V3;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [cluster, by_hand, checks] = std::array::from_fn(|_| app.health.clone());
    let [shown, moved] = std::array::from_fn(|_| app.switches.clone());
    vec![
        writes("PUT /v3/admin/ns/cluster", V3, move |call| {
            let absent = |service| Refusal::ServiceOfClusterAbsent { service };
            Ok(set_cluster(&cluster, form_cluster(&call.params)?, ok, absent))
        }),
        writes("PUT /v3/admin/ns/health/instance", V3, move |call| {
            Ok(set_health(&by_hand, form_health(&call.params)?, ok))
        }),
        reads("GET /v3/admin/ns/health/checkers", V3, |_| Ok(reply::json(result(&checkers())))),
        reads("GET /v3/admin/ns/health/checks", V3, move |call| {
            let shown = show_checks(&checks, &form_service(&call.params)?)?;
            Ok(reply::json(result(&shown)))
        }),
        operates("GET /v3/admin/ns/ops/switches", V3, LOOK, move |_| {
            Ok(reply::json(result(&switches(&shown.current(), SwitchNames::V3)))).into()
        }),
        operates("PUT /v3/admin/ns/ops/switches", V3, OPERATE, move |call| match form_switch(&call.params) {
            Ok(ask) => set_switch(&moved, ask, ok),
            Err(refusal) => Reply::from(refusal),
        }),
    ]
}
