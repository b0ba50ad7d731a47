//! The guard for operators: what it holds back and why, its switch, and letting go. Endpoints of this server's own.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::guard::GuardReport;
use nacrite_base::Fault;
use nacrite_naming::Doubt;
use nacrite_naming::guard::{Pause, Phase};
use nacrite_wire::http::envelope::result;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::guard::{GuardReason, GuardShown, GuardState};

use crate::naming::{LOOK, OPERATE, operates};
use crate::reply::{self, Answer};
use crate::table::{Answered, Call, Row};

const V3: Generation = Generation::V3;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [look, switch, release] = std::array::from_fn(|_| Arc::clone(app));
    vec![
        operates("GET /v3/admin/ns/guard", V3, LOOK, move |_| Ok(shown(&look)).into()),
        operates("PUT /v3/admin/ns/guard", V3, OPERATE, move |call| switched(&switch, call).into()),
        operates("POST /v3/admin/ns/guard/release", V3, OPERATE, move |_| {
            release.guard.let_go();
            Ok(shown(&release)).into()
        }),
    ]
}

fn switched(app: &App, call: &Call<'_>) -> Answered {
    let on: Result<bool, _> = call.params.required("enabled")?.parse();
    app.guard.switch(on.map_err(|_| Fault::ParamInvalid { message: "`enabled` is true or false".to_owned() })?);
    Ok(shown(app))
}

fn shown(app: &App) -> Answer {
    let report = app.guard.report();
    let (state, until, reason) = state_of(&report);
    let shown = GuardShown {
        state,
        since: report.since,
        until,
        reason,
        heard: report.heard,
        silent: report.late,
        warm_up_ms: report.settings.warm_up_ms,
        patience_ms: report.settings.patience_ms,
        share_percent: report.settings.share_percent,
        held: report.held.iter().map(|held| (&held.service, held.heard, held.held)).collect(),
    };
    reply::json(result(&shown.encode()))
}

fn state_of(report: &GuardReport) -> (GuardState, Option<nacrite_base::Timestamp>, Option<GuardReason>) {
    match (report.phase, &report.doubt) {
        (Phase::Off, _) => (GuardState::Off, None, None),
        (Phase::Open, _) => (GuardState::Open, None, None),
        (Phase::Warming { after: Pause::Start, until }, _) => {
            (GuardState::Warming, Some(until), Some(GuardReason::Start))
        }
        (Phase::Warming { after: Pause::Stall, until }, _) => {
            (GuardState::Warming, Some(until), Some(GuardReason::Stall))
        }
        (Phase::Braking, Doubt::Services(_)) => (GuardState::Braking, None, Some(GuardReason::Services)),
        (Phase::Braking, _) => (GuardState::Braking, None, Some(GuardReason::Many)),
    }
}
