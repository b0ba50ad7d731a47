//! What clients and operators ask the naming part of v1 about itself. Clients take it for a sign of health.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::server::{CountsFor, metrics};

use crate::clients::counts;
use crate::naming::probed;
use crate::reply::{self, Answer};
use crate::table::{Call, Row};

/// Every row of this file; each path has a second name.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let row = |endpoint| {
        let app = Arc::clone(app);
        probed(endpoint, Generation::NamingV1, move |call| show(&app, call))
    };
    vec![row("GET /v1/ns/operator/metrics"), row("GET /v1/ns/ops/metrics")]
}

fn show(app: &App, call: &Call<'_>) -> Answer {
    let only_status = call.params.get("onlyStatus").is_none() || call.params.is_true("onlyStatus");
    let counts = (!only_status).then(|| counts(app));
    reply::json(metrics(app.is_ready(), counts.as_ref(), CountsFor::V1))
}
