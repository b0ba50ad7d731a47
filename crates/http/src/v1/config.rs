//! Configs in v1: publish, read and remove, with the views that are told apart by a parameter of their own.
//!
//! `listener` holds the long poll and who listens, `search` the lists, `history` what was done.

mod history;
mod listener;
mod search;

use std::sync::Arc;

use http::StatusCode;
use nacrite_app::App;
use nacrite_app::config::ConfigCases;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area, Fault};
use nacrite_wire::codes::result as code;
use nacrite_wire::http::config::ask::{self, V1};
use nacrite_wire::http::config::shown::{advance_v1, beta_v1, detail_v1, rest_result_of};
use nacrite_wire::http::envelope::rest_result;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::params::Params;
use nacrite_wire::http::refusal::Refusal;

use crate::config;
use crate::reply::{self, Answer, JSON_UTF8};
use crate::table::{Answered, Call, Reply, Row, Run};

/// Every row of this file and of those below it.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let cases = &app.config;
    let mut rows = vec![
        row("GET /v1/cs/configs", Action::Read, LimitClass::ConfigRead, {
            let cases = cases.clone();
            Box::new(move |call| get(&cases, call))
        }),
        row("POST /v1/cs/configs", Action::Write, LimitClass::ConfigWrite, {
            let cases = cases.clone();
            Box::new(move |call| publish(&cases, call))
        }),
        row("DELETE /v1/cs/configs", Action::Write, LimitClass::ConfigWrite, {
            let cases = cases.clone();
            Box::new(move |call| remove(&cases, call))
        }),
        row("GET /v1/cs/configs/catalog", Action::Read, LimitClass::Operation, {
            let cases = cases.clone();
            Box::new(move |call| catalog(&cases, call).into())
        }),
        row("GET /v1/cs/metrics/current", Action::Read, LimitClass::Operation, {
            let app = Arc::clone(app);
            Box::new(move |call| metrics(&app, call))
        }),
    ];
    rows.extend(listener::rows(app));
    rows.extend(history::rows(app));
    rows
}

fn row(endpoint: &'static str, action: Action, limit: LimitClass, run: Run) -> Row {
    Row { endpoint, needs: Needs::Permission(action, Area::Config), limit, generation: Generation::ConfigV1, run }
}

/// JSON as everything under `/v1/cs` says it.
fn json(body: impl Into<bytes::Bytes>) -> Answer {
    reply::typed(StatusCode::OK, JSON_UTF8, body)
}

/// A view that is told apart by a parameter, and that is not served yet.
fn not_served(params: &Params<'_>, method: &str, views: &[(&str, &str)]) -> Option<Refusal> {
    let (name, value) = views.iter().find(|(name, value)| params.sent(name) == Some(*value))?;
    Some(Refusal::Fault(Fault::NotServed { what: format!("{method} /v1/cs/configs?{name}={value}") }))
}

// --- reading ---

fn get(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    let params = &call.params;
    match (params.sent("show"), params.sent("search"), params.sent("beta")) {
        (None, None, None) => {}
        (Some("all"), _, _) => return detail(cases, call).into(),
        (_, Some("accurate"), _) => return search::run(cases, call, false),
        (_, Some("blur"), _) => return search::run(cases, call, true),
        (_, _, Some("true")) => return beta(cases, call).into(),
        _ => {}
    }
    if let Some(refusal) = not_served(params, "GET", &[("export", "true"), ("exportV2", "true")]) {
        return refusal.into();
    }
    read(cases, call).into()
}

fn read(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let (key, tag) = (ask::key(&call.params, &V1)?, ask::tag(&call.params)?);
    match config::find(cases, call, &key, tag.as_ref()) {
        // Always plain text, whatever the format (recorded: `v1/cs-types`).
        Ok(found) => Ok(config::read(&found, reply::TEXT, found.content.text.clone())?),
        Err(Fault::ConfigMissing) => {
            Ok(reply::typed(StatusCode::NOT_FOUND, JSON_UTF8, &b"config data not exist\n"[..]))
        }
        Err(fault) => Err(fault.into()),
    }
}

fn detail(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::key(&call.params, &V1)?;
    let entry = cases.entry(&key);
    let Some((shown, version)) = entry.as_ref().and_then(|entry| config::formal(&key, entry)) else {
        return Ok(json(""));
    };
    let content = cases.content(version)?;
    Ok(json(detail_v1(&shown, config::text(&content)?)))
}

fn catalog(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::key(&call.params, &V1)?;
    let entry = cases.entry(&key);
    let formal = entry.as_ref().and_then(|entry| config::formal(&key, entry));
    let data = formal.map_or_else(|| b"null".to_vec(), |(shown, _)| advance_v1(&shown));
    Ok(json(rest_result(&data)))
}

fn beta(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::key(&call.params, &V1)?;
    let entry = cases.entry(&key);
    let data = match entry.as_ref().and_then(|entry| config::beta(entry)) {
        None => b"null".to_vec(),
        Some(gray) => {
            let content = cases.content(&gray.version)?;
            let shown = config::shown(gray.version.content, &key, &gray.version);
            let ips = config::gray_shown(&gray.name, &gray.rule).expression;
            beta_v1(&shown, config::text(&content)?, ips)
        }
    };
    Ok(json(rest_result_of(code::SUCCESS, "query beta ok", &data)))
}

// --- writing ---

fn done() -> Answer {
    json("true")
}

fn publish(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    if let Some(refusal) = not_served(&call.params, "POST", &[("import", "true"), ("clone", "true")]) {
        return refusal.into();
    }
    let ask = match ask::publish_v1(&call.params, &call.publish_headers()) {
        Ok(ask) => ask,
        Err(refusal) => return refusal.into(),
    };
    let (cases, publish) = (cases.clone(), config::publish(call, ask));
    Reply::later(async move {
        cases.publish(publish).await?;
        Ok(done())
    })
}

fn remove(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    if call.params.sent("delType") == Some("ids") {
        return remove_numbered(cases, call);
    }
    if call.params.sent("beta") == Some("true") {
        return stop_beta(cases, call);
    }
    let (key, tag) = match ask::key(&call.params, &V1).and_then(|key| Ok((key, ask::tag(&call.params)?))) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into(),
    };
    let (cases, by) = (cases.clone(), call.remover());
    Reply::later(async move {
        config::remove(&cases, key, tag.as_ref(), by).await?;
        Ok(done())
    })
}

fn remove_numbered(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    let ids = match ask::row_numbers(&call.params, &V1) {
        Ok(ids) => ids,
        Err(refusal) => return refusal.into(),
    };
    let (cases, by) = (cases.clone(), call.remover());
    Reply::later(async move {
        config::remove_numbered(&cases, ids, by).await?;
        Ok(json(rest_result(b"true")))
    })
}

fn stop_beta(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    let key = match ask::key(&call.params, &V1) {
        Ok(key) => key,
        Err(refusal) => return refusal.into(),
    };
    let (cases, by) = (cases.clone(), call.remover());
    Reply::later(async move {
        match cases.remove(key, Some(config::BETA.into()), by).await {
            Ok(()) => Ok(json(rest_result_of(code::SUCCESS, "stop beta ok", b"true"))),
            // Success of the request, failure of what it asked for (recorded: `v1/cs-beta`).
            Err(Fault::GrayMissing { .. }) => Ok(json(rest_result_of(code::FAIL, "remove beta data error", b"false"))),
            Err(fault) => Err(fault.into()),
        }
    })
}

// --- what clients know ---

fn metrics(app: &Arc<App>, call: &Call<'_>) -> Reply {
    let (ip, key) = match ask::metrics(&call.params, &V1) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into(),
    };
    let app = Arc::clone(app);
    Reply::later(async move { Ok(json(config::metrics(&app, &ip, &key, config::Silent::PassedOver).await?)) })
}
