//! The endpoints of v2: the use cases of v1 in an envelope, as 2.5.1 answers. One file per resource.

mod catalog;
mod client;
pub(crate) mod config;
mod console;
mod health;
mod instance;
mod loader;
mod service;

use std::sync::Arc;

use nacrite_app::App;

use crate::table::Row;

/// Every row of v2.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let naming = [instance::rows(app), service::rows(app), catalog::rows(app), client::rows(app), health::rows(app)];
    let other = [config::rows(app), console::rows(app), loader::rows(app)];
    naming.into_iter().chain(other).flatten().collect()
}
