//! Not of Nacos: how connections are counted and limited, and a server that hands its clients over before it stops.

use std::sync::Arc;
use std::time::Duration;

use nacrite_app::App;
use nacrite_wire::http::envelope::result;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::load::drain_shown;

use crate::connections;
use crate::naming::{LOOK, OPERATE, operates};
use crate::reply::{self, Answer};
use crate::table::{Call, Reply, Row};

const V3: Generation = Generation::V3;

/// Longest time that an operator may give clients to leave. A day is longer than any deployment waits.
const WITHIN_MS_MAX: u64 = 86_400_000;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [counted, progress, begin, cancel] = std::array::from_fn(|_| Arc::clone(app));
    vec![
        operates("GET /v3/admin/core/connections", V3, LOOK, move |call| {
            Ok(reply::json(result(&connections::counted(&counted, call.params.get("ip"))))).into()
        }),
        operates("GET /v3/admin/core/drain", V3, LOOK, move |_| Ok(shown(&progress)).into()),
        operates("POST /v3/admin/core/drain", V3, OPERATE, move |call| drain(&begin, call)),
        operates("DELETE /v3/admin/core/drain", V3, OPERATE, move |_| {
            cancel.drain.cancel();
            Ok(shown(&cancel)).into()
        }),
    ]
}

/// Begins; whoever wants to know how far it is asks again.
fn drain(app: &Arc<App>, call: &Call<'_>) -> Reply {
    let within = match call.params.form_number::<u64>("withinMs") {
        Ok(given) => given.map_or(app.drain.within(), |ms| Duration::from_millis(ms.min(WITHIN_MS_MAX))),
        Err(refusal) => return refusal.into(),
    };
    let app = Arc::clone(app);
    Reply::later(async move {
        app.drain.begin(within).await?;
        Ok(shown(&app))
    })
}

fn shown(app: &App) -> Answer {
    let progress = app.drain.progress();
    let written = drain_shown(progress.is_draining, progress.clients_before, progress.clients, progress.stayed);
    reply::json(result(&written))
}
