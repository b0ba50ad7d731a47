//! The endpoints of v1: plain texts and bare JSON, as 2.5.1 answers. One file per resource.

pub(crate) mod config;
mod console;
mod instance;
mod operator;
mod service;

use std::sync::Arc;

use nacrite_app::App;

use crate::table::Row;

/// Every row of v1.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let all = [instance::rows(app), service::rows(app), operator::rows(app), config::rows(app), console::rows(app)];
    all.into_iter().flatten().collect()
}
