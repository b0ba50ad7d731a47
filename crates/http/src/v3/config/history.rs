//! The history in v3. A row that is not there is a mistake of the caller.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::config::ConfigCases;
use nacrite_app::history;
use nacrite_app::pipeline::LimitClass;
use nacrite_base::{Action, Fault};
use nacrite_wire::http::config::ask::{self, V3};
use nacrite_wire::http::config::history::row_v3;
use nacrite_wire::http::config::shown::{namesake_v3, page};
use nacrite_wire::http::envelope::{result, write_list};

use super::row;
use crate::config::{self, FullRow};
use crate::reply;
use crate::table::{Answered, Call, Row};

pub(super) fn rows(app: &Arc<App>) -> Vec<Row> {
    type Handle = fn(&ConfigCases, &Call<'_>) -> Answered;
    let all: [(&'static str, Handle); 4] = [
        ("GET /v3/admin/cs/history", one_by_number),
        ("GET /v3/admin/cs/history/list", list),
        ("GET /v3/admin/cs/history/previous", previous),
        ("GET /v3/admin/cs/history/configs", namesakes),
    ];
    let rows = all.into_iter().map(|(endpoint, handle)| {
        let cases = app.config.clone();
        row(endpoint, Action::Read, LimitClass::Operation, Box::new(move |call| handle(&cases, call).into()))
    });
    rows.collect()
}

fn list(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::form_key(&call.params, &V3)?;
    let asked = ask::form_page(&call.params)?;
    let found = history::page(cases.configs(), &key, config::page(asked))?;
    let write = |out: &mut Vec<u8>, row: &_| row_v3(out, &config::history_shown(row, None), None);
    Ok(reply::json(result(&page(found.total, asked.number, asked.size, &found.items, write))))
}

fn one_by_number(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    // What the framework binds comes before the form (recorded: `v3/cs-history`).
    let id = ask::row_number(&call.params, "nid", &V3)?;
    let key = ask::form_key(&call.params, &V3)?;
    one(config::history_row(cases, &key, id)?.as_ref())
}

fn previous(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let id = ask::row_number(&call.params, "id", &V3)?;
    let key = ask::form_key(&call.params, &V3)?;
    one(config::previous_row(cases, &key, id)?.as_ref())
}

fn one(row: Option<&FullRow>) -> Answered {
    let absent = || Fault::ParamInvalid { message: "Source must not be null".to_owned() };
    let row = row.ok_or_else(absent)?;
    let mut out = Vec::new();
    row_v3(&mut out, &row.shown(), Some(row.text()?));
    Ok(reply::json(result(&out)))
}

fn namesakes(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let namespace = ask::named_namespace(&call.params, &V3)?;
    let found = config::namesakes(cases, &namespace);
    let mut out = Vec::new();
    let shown = found.iter().filter_map(|(key, entry)| config::formal(key, entry));
    write_list(&mut out, shown, |out, (shown, _)| namesake_v3(out, &shown));
    Ok(reply::json(result(&out)))
}
