//! Configs for operators, in v3.
//!
//! `history` holds what was done, `listener` who listens and what clients know.

mod history;
mod listener;

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::config::ConfigCases;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area, Fault};
use nacrite_wire::codes::body;
use nacrite_wire::http::config::ask::{self, SearchAsk, V3};
use nacrite_wire::http::config::shown::{detail_v3, gray_v3, line_v3, page};
use nacrite_wire::http::envelope::{self, result, result_of};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::refusal::Refusal;

use crate::config;
use crate::reply;
use crate::table::{Answered, Call, Reply, Row, Run};

/// Every row of this file and of those below it.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    type Handle = fn(&ConfigCases, &Call<'_>) -> Reply;
    let all: [(&'static str, Action, LimitClass, Handle); 7] = [
        ("GET /v3/admin/cs/config", Action::Read, LimitClass::ConfigRead, |cases, call| detail(cases, call).into()),
        ("POST /v3/admin/cs/config", Action::Write, LimitClass::ConfigWrite, publish),
        ("DELETE /v3/admin/cs/config", Action::Write, LimitClass::ConfigWrite, remove),
        ("DELETE /v3/admin/cs/config/batch", Action::Write, LimitClass::ConfigWrite, remove_numbered),
        ("GET /v3/admin/cs/config/beta", Action::Read, LimitClass::Operation, |cases, call| beta(cases, call).into()),
        ("DELETE /v3/admin/cs/config/beta", Action::Write, LimitClass::ConfigWrite, stop_beta),
        ("GET /v3/admin/cs/config/list", Action::Read, LimitClass::Operation, search),
    ];
    let rows = all.into_iter().map(|(endpoint, action, limit, handle)| {
        let cases = app.config.clone();
        row(endpoint, action, limit, Box::new(move |call| handle(&cases, call)))
    });
    let mut rows: Vec<Row> = rows.collect();
    rows.extend(history::rows(app));
    rows.extend(listener::rows(app));
    rows
}

fn row(endpoint: &'static str, action: Action, limit: LimitClass, run: Run) -> Row {
    Row { endpoint, needs: Needs::Permission(action, Area::Config), limit, generation: Generation::V3, run }
}

// --- reading ---

fn detail(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::form_key(&call.params, &V3)?;
    let entry = cases.entry(&key);
    let formal = entry.as_ref().and_then(|entry| config::formal(&key, entry));
    let (shown, version) = formal.ok_or(Refusal::ConfigUnpublished)?;
    let content = cases.content(version)?;
    Ok(reply::json(result(&detail_v3(&shown, config::text(&content)?))))
}

fn beta(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::form_key(&call.params, &V3)?;
    let entry = cases.entry(&key);
    let gray = entry.as_ref().and_then(|entry| config::beta(entry)).ok_or(Refusal::NotInBeta)?;
    let content = cases.content(&gray.version)?;
    let shown = config::shown(gray.version.content, &key, &gray.version);
    let rule = config::gray_shown(&gray.name, &gray.rule);
    Ok(reply::json(result(&gray_v3(&shown, config::text(&content)?, &rule))))
}

fn search(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    let ask = match ask::search_v3(&call.params) {
        Ok(ask) => ask,
        Err(refusal) => return refusal.into(),
    };
    let cases = cases.clone();
    Reply::later(async move { found(&cases, &ask).await })
}

async fn found(cases: &ConfigCases, ask: &SearchAsk) -> Answered {
    let found = config::search(cases, ask).await?;
    let lines = found.items.iter().filter_map(|hit| config::formal(&hit.key, &hit.entry));
    let searched = config::searched(ask);
    let write = |out: &mut Vec<u8>, (shown, _): (_, _)| line_v3(out, &shown, searched);
    Ok(reply::json(result(&page(found.total, ask.page.number, ask.page.size, lines, write))))
}

// --- writing ---

fn publish(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    let ask = match ask::publish_form(&call.params, &call.publish_headers(), &V3) {
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
    let (key, tag) = match ask::form_key(&call.params, &V3).and_then(|key| Ok((key, ask::tag(&call.params)?))) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into(),
    };
    let (cases, by) = (cases.clone(), call.remover());
    Reply::later(async move {
        config::remove(&cases, key, tag.as_ref(), by).await?;
        Ok(reply::json(envelope::TRUE))
    })
}

fn remove_numbered(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    let ids = match ask::row_numbers(&call.params, &V3) {
        Ok(ids) => ids,
        Err(refusal) => return refusal.into(),
    };
    let (cases, by) = (cases.clone(), call.remover());
    Reply::later(async move {
        config::remove_numbered(&cases, ids, by).await?;
        Ok(reply::json(envelope::TRUE))
    })
}

fn stop_beta(cases: &ConfigCases, call: &Call<'_>) -> Reply {
    let key = match ask::form_key(&call.params, &V3) {
        Ok(key) => key,
        Err(refusal) => return refusal.into(),
    };
    let (cases, by) = (cases.clone(), call.remover());
    Reply::later(async move {
        match cases.remove(key, Some(config::BETA.into()), by).await {
            Ok(()) => Ok(reply::json(envelope::TRUE)),
            // Success of the request, failure of what it asked for (recorded: `v3/cs-config-beta`).
            Err(Fault::GrayMissing { .. }) => {
                let code = (body::SERVER_ERROR.0, "remove beta data error");
                Ok(reply::json(result_of(code, b"false")))
            }
            Err(fault) => Err(fault.into()),
        }
    })
}
