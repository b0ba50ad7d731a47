//! The endpoints of v1: plain texts and bare JSON, as 2.5.1 answers. One file per resource.

mod catalog;
pub(crate) mod config;
mod console;
mod health;
mod instance;
mod operator;
mod pushes;
mod service;

use std::sync::Arc;

use nacrite_app::App;

use crate::table::Row;

/// The version of Nacos that v1 and v2 answer as.
pub(crate) const API_VERSION: &str = "2.5.1";

/// Every row of v1.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let naming = [
        instance::rows(app),
        service::rows(app),
        catalog::rows(app),
        operator::rows(app),
        pushes::rows(app),
        health::rows(app),
    ];
    let other = [config::rows(app), console::rows(app)];
    naming.into_iter().chain(other).flatten().collect()
}
