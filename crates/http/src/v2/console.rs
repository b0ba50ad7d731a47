//! What tools and probes ask in v2: whether the server lives, and its namespaces.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::namespaces::Created;
use nacrite_app::pipeline::Needs;
use nacrite_wire::http::envelope;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::namespaces::{NamespaceDialect, check_id, v2_form};
use nacrite_wire::http::refusal::Refusal;

use crate::namespaces::{self, remove, update};
use crate::naming::{LOOK, OPERATE, operates, probed};
use crate::reply;
use crate::table::{Call, Reply, Row};

const V2: Generation = Generation::V2;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [ready, list, one, creates, updates, removes] = std::array::from_fn(|_| Arc::clone(app));
    vec![
        probed("GET /v2/console/health/liveness", V2, |_| reply::json(envelope::OK)),
        probed("GET /v2/console/health/readiness", V2, move |_| reply::readiness(ready.is_ready())),
        operates("GET /v2/console/namespace/list", V2, Needs::Nothing, move |_| {
            Ok(reply::json(envelope::result(&namespaces::all(&list, NamespaceDialect::Before3)))).into()
        }),
        operates("GET /v2/console/namespace", V2, LOOK, move |call| {
            let id = call.params.bound("namespaceId");
            let one = id.and_then(|id| namespaces::one(&one, id, NamespaceDialect::Before3));
            one.map(|one| reply::json(envelope::result(&one))).into()
        }),
        operates("POST /v2/console/namespace", V2, OPERATE, move |call| create(&creates, call)),
        operates("PUT /v2/console/namespace", V2, OPERATE, move |call| match v2_form(&call.params) {
            Ok(ask) => update(&updates, ask),
            Err(refusal) => refusal.into(),
        }),
        operates("DELETE /v2/console/namespace", V2, OPERATE, move |call| {
            let id = call.params.bound("namespaceId");
            match id.and_then(|id| check_id(id).map(|()| id)) {
                Ok(id) => remove(&removes, id),
                Err(refusal) => refusal.into(),
            }
        }),
    ]
}

fn create(app: &Arc<App>, call: &Call<'_>) -> Reply {
    let ask = match v2_form(&call.params) {
        Ok(ask) => ask,
        Err(refusal) => return refusal.into(),
    };
    let app = Arc::clone(app);
    Reply::later(async move {
        let cases = &app.namespace_cases;
        match cases.create(ask.id.as_deref(), &ask.title, ask.description.as_deref()).await? {
            Created::Now => Ok(reply::json(envelope::TRUE)),
            Created::Before => {
                let id = ask.id.unwrap_or_default();
                let message = format!("the namespaceId is existed, namespaceId: {id}");
                Err(Refusal::NamespaceIllegal { message })
            }
        }
    })
}
