//! Clusters, health and switches in v1.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::cluster::{checkers, v1_cluster};
use nacrite_wire::http::naming::health::{greeting, v1_health};
use nacrite_wire::http::naming::switches::{SwitchNames, switches, v1_switch};
use nacrite_wire::http::refusal::Refusal;

use super::instance::ok;
use crate::health::{set_cluster, set_health, set_switch};
use crate::naming::{LOOK, OPERATE, operates, probed, reads, writes};
use crate::reply;
use crate::table::{Reply, Row};

const V1: Generation = Generation::NamingV1;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let cluster = app.health.clone();
    let server = Arc::clone(app);
    let by_hand = |endpoint| {
        let health = app.health.clone();
        writes(endpoint, V1, move |call| Ok(set_health(&health, v1_health(&call.params)?, ok)))
    };
    let mut rows = vec![
        writes("PUT /v1/ns/cluster", V1, move |call| {
            let absent = |service| Refusal::ServiceOfClusterAbsentV1 { service };
            Ok(set_cluster(&cluster, v1_cluster(&call.params)?, ok, absent))
        }),
        by_hand("PUT /v1/ns/health"),
        by_hand("PUT /v1/ns/health/instance"),
        reads("GET /v1/ns/health/checkers", V1, |_| Ok(reply::json(checkers()))),
        probed("GET /v1/ns/health/server", V1, move |call| {
            reply::json(greeting(server.naming.shards().counts().services, call.local.port()))
        }),
    ];
    for (show, set) in [
        ("GET /v1/ns/operator/switches", "PUT /v1/ns/operator/switches"),
        ("GET /v1/ns/ops/switches", "PUT /v1/ns/ops/switches"),
    ] {
        let [shown, moved] = std::array::from_fn(|_| app.switches.clone());
        rows.push(operates(show, V1, LOOK, move |_| {
            Ok(reply::json(switches(&shown.current(), SwitchNames::V1))).into()
        }));
        rows.push(operates(set, V1, OPERATE, move |call| match v1_switch(&call.params) {
            Ok(ask) => set_switch(&moved, ask, ok),
            Err(refusal) => Reply::from(refusal),
        }));
    }
    rows
}
