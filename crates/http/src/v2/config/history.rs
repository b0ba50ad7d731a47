//! The history in v2.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::config::ConfigCases;
use nacrite_app::history;
use nacrite_app::pipeline::LimitClass;
use nacrite_base::Action;
use nacrite_wire::http::config::ask::{self, V2};
use nacrite_wire::http::config::history::row_v1;
use nacrite_wire::http::config::shown::{namesake_v1, page};
use nacrite_wire::http::envelope::{self, result, write_list};

use super::row;
use crate::config::{self, FullRow};
use crate::reply;
use crate::table::{Answered, Call, Row};

pub(super) fn rows(app: &Arc<App>) -> Vec<Row> {
    type Handle = fn(&ConfigCases, &Call<'_>) -> Answered;
    let all: [(&'static str, Handle); 5] = [
        ("GET /v2/cs/history", one_by_number),
        ("GET /v2/cs/history/list", list),
        ("GET /v2/cs/history/detail", change),
        ("GET /v2/cs/history/previous", previous),
        ("GET /v2/cs/history/configs", namesakes),
    ];
    let rows = all.into_iter().map(|(endpoint, handle)| {
        let cases = app.config.clone();
        row(endpoint, Action::Read, LimitClass::Operation, Box::new(move |call| handle(&cases, call).into()))
    });
    rows.collect()
}

fn list(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::key(&call.params, &V2)?;
    let asked = ask::page(&call.params, &V2)?;
    let found = history::page(cases.configs(), &key, config::page(asked))?;
    let write =
        |out: &mut Vec<u8>, row: &_| row_v1(out, &config::history_shown(row, config::rule_of(row).as_ref()), None);
    Ok(reply::json(result(&page(found.total, asked.number, asked.size, &found.items, write))))
}

fn one_by_number(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::key(&call.params, &V2)?;
    let id = ask::row_number(&call.params, "nid", &V2)?;
    one(config::history_row(cases, &key, id)?.as_ref())
}

fn previous(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::key(&call.params, &V2)?;
    let id = ask::row_number(&call.params, "id", &V2)?;
    one(config::previous_row(cases, &key, id)?.as_ref())
}

fn one(row: Option<&FullRow>) -> Answered {
    let Some(row) = row else {
        return Ok(reply::json(envelope::NULL));
    };
    let mut out = Vec::new();
    row_v1(&mut out, &row.shown(), Some(row.text()?));
    Ok(reply::json(result(&out)))
}

fn change(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::key(&call.params, &V2)?;
    let id = ask::row_number(&call.params, "nid", &V2)?;
    let Some(row) = config::history_row(cases, &key, id)? else {
        return Ok(reply::json(envelope::NULL));
    };
    Ok(reply::json(result(&config::change(cases, &row)?)))
}

fn namesakes(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let namespace = ask::named_namespace(&call.params, &V2)?;
    let found = config::namesakes(cases, &namespace);
    let mut out = Vec::new();
    let shown = found.iter().filter_map(|(key, entry)| config::formal(key, entry));
    write_list(&mut out, shown, |out, (shown, _)| namesake_v1(out, &shown));
    Ok(reply::json(result(&out)))
}
