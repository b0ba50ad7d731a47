//! Configs for clients, in v3: the answer of gRPC in the envelope of HTTP.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::config::ConfigCases;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area, Fault};
use nacrite_config::{GrayRule, Labels};
use nacrite_wire::codes::body;
use nacrite_wire::http::config::ask::{self, V3};
use nacrite_wire::http::config::shown::{ConfigRead, read_v3};
use nacrite_wire::http::envelope::{result, result_of};
use nacrite_wire::http::failure::Generation;

use crate::config;
use crate::reply;
use crate::table::{Answered, Call, Row};

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let cases = app.config.clone();
    vec![Row {
        endpoint: "GET /v3/client/cs/config",
        needs: Needs::Permission(Action::Read, Area::Config),
        limit: LimitClass::ConfigRead,
        // Refusals are told as in v1 (recorded: `v3/auth-403-client-legacy`).
        generation: Generation::ConfigV1,
        run: Box::new(move |call| read(&cases, call).into()),
    }]
}

/// Only the address of the client decides what it gets; tags are for other generations.
fn read(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::form_key(&call.params, &V3)?;
    let client_ip = call.client_ip().to_string();
    let labels = Labels { client_ip: &client_ip, ..Labels::default() };
    let found = match cases.query(&key, &labels) {
        Ok(found) => found,
        // Success of the request; the body says what is missing.
        Err(Fault::ConfigMissing) => return Ok(reply::json(result_of(body::RESOURCE_NOT_FOUND, b"null"))),
        Err(fault) => return Err(fault.into()),
    };
    let version = found.version().ok_or(Fault::ConfigMissing)?;
    let gray = found.gray();
    let body = read_v3(&ConfigRead {
        content: config::text(&found.content)?,
        encrypted_key: config::told_key(gray, version),
        config_type: found.config_type(),
        digest: &version.digest,
        modified_at: version.modified_at,
        beta: matches!(gray.map(|gray| &gray.rule), Some(GrayRule::Beta { .. })),
        tag: None,
    });
    Ok(reply::json(result(&body)))
}
