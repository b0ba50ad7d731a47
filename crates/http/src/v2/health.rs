//! Health by hand and switches in v2.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_wire::http::envelope::result;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::health::form_health;
use nacrite_wire::http::naming::switches::{SwitchNames, form_switch, switches};

use super::instance::ok;
use crate::health::{set_health, set_switch};
use crate::naming::{LOOK, OPERATE, operates, writes};
use crate::reply;
use crate::table::{Reply, Row};

const V2: Generation = Generation::V2;

/// Every row of this file; each path has a second name.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let by_hand = |endpoint| {
        let health = app.health.clone();
        writes(endpoint, V2, move |call| Ok(set_health(&health, form_health(&call.params)?, ok)))
    };
    let mut rows = vec![by_hand("PUT /v2/ns/health"), by_hand("PUT /v2/ns/health/instance")];
    for (show, set) in [
        ("GET /v2/ns/operator/switches", "PUT /v2/ns/operator/switches"),
        ("GET /v2/ns/ops/switches", "PUT /v2/ns/ops/switches"),
    ] {
        let [shown, moved] = std::array::from_fn(|_| app.switches.clone());
        rows.push(operates(show, V2, LOOK, move |_| {
            Ok(reply::json(result(&switches(&shown.current(), SwitchNames::V1)))).into()
        }));
        rows.push(operates(set, V2, OPERATE, move |call| match form_switch(&call.params) {
            Ok(ask) => set_switch(&moved, ask, ok),
            Err(refusal) => Reply::from(refusal),
        }));
    }
    rows
}
