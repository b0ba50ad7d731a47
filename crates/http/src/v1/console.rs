//! What tools and probes ask a server of version 1 and 2: its state, whether it lives, its namespaces.

use std::sync::Arc;

use http::StatusCode;
use nacrite_app::App;
use nacrite_app::namespaces::Created;
use nacrite_app::pipeline::Needs;
use nacrite_wire::http::envelope::rest_result;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::namespaces::{NamespaceDialect, check_id, v1_create, v1_update};
use nacrite_wire::http::refusal::Refusal;
use nacrite_wire::http::server::ServerState;

use super::API_VERSION;
use crate::namespaces;
use crate::naming::{OPERATE, operates, probed};
use crate::reply::{self, Answer};
use crate::table::{Answered, Call, Reply, Row};

const V1: Generation = Generation::ConsoleV1;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [state, ready, list, create, update, remove] = std::array::from_fn(|_| Arc::clone(app));
    vec![
        probed("GET /v1/console/server/state", V1, move |call| {
            let (port, history_days) = (call.local.port(), state.history_days());
            reply::json(ServerState { version: API_VERSION, port, history_days }.encode())
        }),
        probed("GET /v1/console/health/liveness", V1, |_| reply::text("OK")),
        probed("GET /v1/console/health/readiness", V1, move |_| readiness(&ready)),
        operates("GET /v1/console/namespaces", V1, Needs::Nothing, move |call| show_namespaces(&list, call).into()),
        operates("POST /v1/console/namespaces", V1, OPERATE, move |call| create_namespace(&create, call)),
        operates("PUT /v1/console/namespaces", V1, OPERATE, move |call| update_namespace(&update, call)),
        operates("DELETE /v1/console/namespaces", V1, OPERATE, move |call| remove_namespace(&remove, call)),
    ]
}

fn readiness(app: &App) -> Answer {
    if app.is_ready() {
        return reply::text("OK");
    }
    reply::typed(StatusCode::INTERNAL_SERVER_ERROR, reply::TEXT, "config and naming not in readiness")
}

/// Three questions on one path, told apart by a parameter.
fn show_namespaces(app: &App, call: &Call<'_>) -> Answered {
    let params = &call.params;
    if params.get("show") == Some("all") {
        let one = namespaces::one(app, params.bound("namespaceId")?, NamespaceDialect::Before3)?;
        return Ok(reply::json(one));
    }
    if params.is_true("checkNamespaceIdExist") {
        let id = params.bound("customNamespaceId")?;
        return Ok(truth(app.namespaces.get(id).is_some()));
    }
    Ok(reply::json(rest_result(&namespaces::all(app, NamespaceDialect::Before3))))
}

fn truth(value: bool) -> Answer {
    reply::json(if value { "true" } else { "false" })
}

fn create_namespace(app: &Arc<App>, call: &Call<'_>) -> Reply {
    let ask = match v1_create(&call.params) {
        Ok(Some(ask)) => ask,
        Ok(None) => return Ok(truth(false)).into(),
        Err(refusal) => return refusal.into(),
    };
    let app = Arc::clone(app);
    Reply::later(async move {
        let cases = &app.namespace_cases;
        let created = cases.create(ask.id.as_deref(), &ask.title, ask.description.as_deref()).await?;
        Ok(truth(created == Created::Now))
    })
}

fn update_namespace(app: &Arc<App>, call: &Call<'_>) -> Reply {
    let ask = match v1_update(&call.params) {
        Ok(Some(ask)) => ask,
        Ok(None) => return Ok(truth(false)).into(),
        Err(refusal) => return refusal.into(),
    };
    let app = Arc::clone(app);
    Reply::later(async move {
        let id = ask.id.unwrap_or_default();
        app.namespace_cases.update(&id, &ask.title, ask.description.as_deref()).await?;
        Ok(truth(true))
    })
}

fn remove_namespace(app: &Arc<App>, call: &Call<'_>) -> Reply {
    let read = |call: &Call<'_>| -> Result<String, Refusal> {
        let id = call.params.bound("namespaceId")?;
        check_id(id)?;
        Ok(id.to_owned())
    };
    let id = match read(call) {
        Ok(id) => id,
        Err(refusal) => return refusal.into(),
    };
    let app = Arc::clone(app);
    Reply::later(async move {
        app.namespace_cases.remove(&id).await?;
        Ok(truth(true))
    })
}
