//! Configs in v2: the envelope around what v1 does.
//!
//! `history` holds what was done.

mod history;

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use nacrite_app::App;
use nacrite_app::config::ConfigCases;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area, Fault};
use nacrite_wire::codes::body;
use nacrite_wire::http::config::ask::{self, V2};
use nacrite_wire::http::envelope::{self, result, result_of};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::json;

use crate::config;
use crate::reply::{self, Answer, JSON_UTF8};
use crate::table::{Answered, Call, Reply, Row, Run};

/// Every row of this file and of those below it.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let cases = &app.config;
    let mut rows = vec![
        row("GET /v2/cs/config", Action::Read, LimitClass::ConfigRead, {
            let cases = cases.clone();
            Box::new(move |call| read(&cases, call).into())
        }),
        row("POST /v2/cs/config", Action::Write, LimitClass::ConfigWrite, {
            let cases = cases.clone();
            Box::new(move |call| publish(&cases, call))
        }),
        row("DELETE /v2/cs/config", Action::Write, LimitClass::ConfigWrite, {
            let cases = cases.clone();
            Box::new(move |call| remove(&cases, call))
        }),
    ];
    rows.extend(history::rows(app));
    rows
}

fn row(endpoint: &'static str, action: Action, limit: LimitClass, run: Run) -> Row {
    Row { endpoint, needs: Needs::Permission(action, Area::Config), limit, generation: Generation::V2, run }
}

fn read(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let (key, tag) = (ask::key(&call.params, &V2)?, ask::tag(&call.params)?);
    match config::find(cases, call, &key, tag.as_ref()) {
        Ok(found) => {
            let body = result(&json::bytes(config::text(&found.content)?));
            Ok(config::read(&found, JSON_UTF8, body)?)
        }
        Err(Fault::ConfigMissing) => Ok(absent()),
        Err(fault) => Err(fault.into()),
    }
}

/// Without a type, and with an end of line (recorded: `v2/cs-config-variants`).
fn absent() -> Answer {
    let mut body = result_of(body::RESOURCE_NOT_FOUND, br#""config data not exist""#).to_vec();
    body.push(b'\n');
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

fn publish(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    let ask = match ask::publish_form(&call.params, &call.publish_headers(), &V2) {
        Ok(ask) => ask,
        Err(refusal) => return refusal.into(),
    };
    let (cases, publish) = (cases.clone(), config::publish(call, ask));
    Reply::later(async move {
        cases.publish(publish).await?;
        Ok(reply::json(envelope::TRUE))
    })
}

fn remove(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    let (key, tag) = match ask::key(&call.params, &V2).and_then(|key| Ok((key, ask::tag(&call.params)?))) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into(),
    };
    let (cases, by) = (cases.clone(), call.remover());
    Reply::later(async move {
        config::remove(&cases, key, tag.as_ref(), by).await?;
        Ok(reply::json(envelope::TRUE))
    })
}
