//! The endpoints of v3, as 3.1 answers: `client` for programs, `admin` for operators. One file per resource.

mod client;
pub(crate) mod client_config;
mod client_instance;
pub(crate) mod config;
mod core;
mod instance;
mod service;

use std::sync::Arc;

use nacrite_app::App;

use crate::table::Row;

/// Every row of v3.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let clients = [client_instance::rows(app), client_config::rows(app)];
    let naming = [instance::rows(app), service::rows(app), client::rows(app)];
    let other = [config::rows(app), core::rows(app)];
    clients.into_iter().chain(naming).chain(other).flatten().collect()
}
