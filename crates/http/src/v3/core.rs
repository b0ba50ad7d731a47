//! The server itself for operators in v3: its state, its namespaces, its connections.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::namespaces::Created;
use nacrite_wire::http::envelope::{self, result};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::load::not_told;
use nacrite_wire::http::namespaces::{NamespaceDialect, v3_form};
use nacrite_wire::http::refusal::Refusal;
use nacrite_wire::http::server::ServerState;

use super::API_VERSION;
use crate::connections;
use crate::namespaces::{self, remove, update};
use crate::naming::{LOOK, OPERATE, operates, probed};
use crate::reply::{self, Answer};
use crate::table::{Call, Reply, Row};

const V3: Generation = Generation::V3;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let mut rows = state_rows(app);
    rows.extend(namespace_rows(app));
    rows.extend(loader_rows(app));
    rows
}

fn state_rows(app: &Arc<App>) -> Vec<Row> {
    let [state, ready] = std::array::from_fn(|_| Arc::clone(app));
    vec![
        probed("GET /v3/admin/core/state", V3, move |call| {
            let (port, history_days) = (call.local.port(), state.history_days());
            reply::json(result(&ServerState { version: API_VERSION, port, history_days }.encode()))
        }),
        probed("GET /v3/admin/core/state/liveness", V3, |_| reply::json(envelope::OK)),
        probed("GET /v3/admin/core/state/readiness", V3, move |_| reply::readiness(ready.is_ready())),
    ]
}

fn namespace_rows(app: &Arc<App>) -> Vec<Row> {
    let [list, one, check, creates, updates, removes] = std::array::from_fn(|_| Arc::clone(app));
    vec![
        operates("GET /v3/admin/core/namespace/list", V3, LOOK, move |_| {
            Ok(reply::json(result(&namespaces::all(&list, NamespaceDialect::Since3)))).into()
        }),
        operates("GET /v3/admin/core/namespace", V3, LOOK, move |call| {
            let id = call.params.bound("namespaceId");
            let one = id.and_then(|id| namespaces::one(&one, id, NamespaceDialect::Since3));
            one.map(|one| reply::json(result(&one))).into()
        }),
        operates("GET /v3/admin/core/namespace/check", V3, LOOK, move |call| {
            let id = call.params.bound("namespaceId");
            let count = id.map(|id| u8::from(check.namespaces.get(id).is_some()));
            count.map(|count| reply::json(result(count.to_string().as_bytes()))).into()
        }),
        operates("POST /v3/admin/core/namespace", V3, OPERATE, move |call| create(&creates, call)),
        operates("PUT /v3/admin/core/namespace", V3, OPERATE, move |call| match v3_form(&call.params) {
            Ok(ask) => update(&updates, ask),
            Err(refusal) => refusal.into(),
        }),
        operates("DELETE /v3/admin/core/namespace", V3, OPERATE, move |call| match call.params.bound("namespaceId") {
            Ok(id) => remove(&removes, id),
            Err(refusal) => refusal.into(),
        }),
    ]
}

fn create(app: &Arc<App>, call: &Call<'_>) -> Reply {
    let ask = match v3_form(&call.params) {
        Ok(ask) => ask,
        Err(refusal) => return refusal.into(),
    };
    let app = Arc::clone(app);
    Reply::later(async move {
        let cases = &app.namespace_cases;
        match cases.create(ask.id.as_deref(), &ask.title, ask.description.as_deref()).await? {
            Created::Now => Ok(reply::json(envelope::TRUE)),
            Created::Before => Err(Refusal::NamespaceTaken { id: ask.id.unwrap_or_default() }),
        }
    })
}

fn loader_rows(app: &Arc<App>) -> Vec<Row> {
    let [current, cluster, smart, reload, reload_one] = std::array::from_fn(|_| Arc::clone(app));
    vec![
        operates("GET /v3/admin/core/loader/current", V3, LOOK, move |_| {
            Ok(reply::json(result(&connections::current(&current)))).into()
        }),
        operates("GET /v3/admin/core/loader/cluster", V3, LOOK, move |call| {
            connections::load(&cluster, call, |load| reply::json(result(&load.v3())))
        }),
        operates("POST /v3/admin/core/loader/smartReloadCluster", V3, OPERATE, move |call| {
            connections::smart_reload(&smart, call, |told| match told {
                Ok(()) => nothing(),
                Err(failed) => reply::json(not_told(failed)),
            })
        }),
        operates("POST /v3/admin/core/loader/reloadCurrent", V3, OPERATE, move |call| {
            connections::reload(&reload, &call.params).map(|()| nothing()).into()
        }),
        operates("POST /v3/admin/core/loader/reloadClient", V3, OPERATE, move |call| {
            connections::reload_client(&reload_one, &call.params).map(|()| nothing()).into()
        }),
    ]
}

fn nothing() -> Answer {
    reply::json(envelope::NULL)
}
