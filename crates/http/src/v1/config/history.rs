//! The history in v1: bare rows, and nothing at all for a row that is not there.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::config::ConfigCases;
use nacrite_app::history;
use nacrite_app::pipeline::LimitClass;
use nacrite_base::Action;
use nacrite_wire::http::config::ask::{self, V1};
use nacrite_wire::http::config::history::row_v1;
use nacrite_wire::http::config::shown::{namesake_v1, page};
use nacrite_wire::http::envelope::write_list;

use super::{json, row};
use crate::config::{self, FullRow};
use crate::table::{Answered, Call, Row};

pub(super) fn rows(app: &Arc<App>) -> Vec<Row> {
    let cases = &app.config;
    vec![
        row("GET /v1/cs/history", Action::Read, LimitClass::Operation, {
            let cases = cases.clone();
            Box::new(move |call| get(&cases, call).into())
        }),
        row("GET /v1/cs/history/previous", Action::Read, LimitClass::Operation, {
            let cases = cases.clone();
            Box::new(move |call| previous(&cases, call).into())
        }),
        row("GET /v1/cs/history/configs", Action::Read, LimitClass::Operation, {
            let cases = cases.clone();
            Box::new(move |call| namesakes(&cases, call).into())
        }),
    ]
}

fn get(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::key(&call.params, &V1)?;
    if call.params.sent("search") != Some("accurate") {
        let id = ask::row_number(&call.params, "nid", &V1)?;
        return one(config::history_row(cases, &key, id)?.as_ref());
    }
    let asked = ask::page(&call.params, &V1)?;
    let found = history::page(cases.configs(), &key, config::page(asked))?;
    let write =
        |out: &mut Vec<u8>, row: &_| row_v1(out, &config::history_shown(row, config::rule_of(row).as_ref()), None);
    Ok(json(page(found.total, asked.number, asked.size, &found.items, write)))
}

fn previous(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::key(&call.params, &V1)?;
    let id = ask::row_number(&call.params, "id", &V1)?;
    one(config::previous_row(cases, &key, id)?.as_ref())
}

fn one(row: Option<&FullRow>) -> Answered {
    let mut out = Vec::new();
    if let Some(row) = row {
        row_v1(&mut out, &row.shown(), Some(row.text()?));
    }
    Ok(json(out))
}

fn namesakes(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let namespace = ask::named_namespace(&call.params, &V1)?;
    let found = config::namesakes(cases, &namespace);
    let mut out = Vec::new();
    let shown = found.iter().filter_map(|(key, entry)| config::formal(key, entry));
    write_list(&mut out, shown, |out, (shown, _)| namesake_v1(out, &shown));
    Ok(json(out))
}
