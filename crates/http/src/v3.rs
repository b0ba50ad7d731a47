//! The endpoints of v3, as 3.1 answers: `client` for programs, `admin` for operators. One file per resource.

mod client;
pub(crate) mod client_config;
mod client_instance;
pub(crate) mod config;
mod core;
mod guard;
mod health;
mod instance;
mod leaving;
mod pushes;
mod service;

use std::sync::Arc;

use nacrite_app::App;

use crate::table::Row;

/// The version of Nacos that v3 answers as.
pub(crate) const API_VERSION: &str = "3.1.0";

/// Every row of v3.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let clients = [client_instance::rows(app), client_config::rows(app)];
    let naming = [instance::rows(app), service::rows(app), client::rows(app), health::rows(app)];
    let other = [config::rows(app), core::rows(app), leaving::rows(app), guard::rows(app), pushes::rows(app)];
    clients.into_iter().chain(naming).chain(other).flatten().collect()
}
