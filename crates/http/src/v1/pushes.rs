//! How pushes fared, in v1.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::pushes::PushState;

use crate::naming::{LOOK, operates};
use crate::reply;
use crate::table::{Answered, Call, Row};

/// Every row of this file; the path has a second name.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let row = |endpoint| {
        let app = Arc::clone(app);
        operates(endpoint, Generation::NamingV1, LOOK, move |call| show(&app, call).into())
    };
    vec![row("GET /v1/ns/operator/push/state"), row("GET /v1/ns/ops/push/state")]
}

fn show(app: &App, call: &Call<'_>) -> Answered {
    let detail = call.params.form_flag("detail")?.unwrap_or(false);
    let reset = call.params.form_flag("reset")?.unwrap_or(false);
    let tally = &app.metrics.push_tally;
    let counts = if reset { tally.reset() } else { tally.counts() };
    let cost_ms = (counts.cost_sum_ms.checked_div(counts.taken)).map(|average| (average, counts.cost_max_ms));
    let state = PushState { taken: counts.taken, failed: counts.failed, cost_ms: detail.then_some(cost_ms), reset };
    Ok(reply::json(state.encode()))
}
