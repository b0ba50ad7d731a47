//! One file per request: its row and its handler. A handler reads the wire, calls a use case, writes the wire.

mod batch_instance;
mod config_batch_listen;
mod config_fuzzy_watch;
mod config_publish;
mod config_query;
mod config_remove;
mod fuzzy_watch;
mod health_check;
mod instance;
mod naming_fuzzy_watch;
mod not_served;
mod persistent_instance;
mod server_loader_info;
mod server_reload;
mod service_list;
mod service_query;
mod subscribe_service;

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::connections::Introduction;
use nacrite_wire::service_info::Dialect;
use nacrite_wire::to_wire::{Failure, FailureShape};

use crate::rendered;
use crate::table::{Call, Row};

/// Every row.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let mut rows = vec![
        health_check::row(),
        instance::row(app.naming.clone()),
        batch_instance::row(app.naming.clone()),
        persistent_instance::row(app.naming.clone()),
        service_query::row(app.naming.clone()),
        service_list::row(app.naming.clone()),
        subscribe_service::row(app.naming.clone()),
        naming_fuzzy_watch::row(Arc::clone(&app.service_watch)),
        config_fuzzy_watch::row(Arc::clone(&app.config_watch)),
        config_query::row(app.config.clone()),
        config_publish::row(app.config.clone()),
        config_remove::row(app.config.clone()),
        config_batch_listen::row(app.config.clone()),
        server_loader_info::row(Arc::clone(app)),
        server_reload::row(Arc::clone(app)),
    ];
    rows.extend(not_served::rows());
    rows
}

/// A request whose handler throws.
const fn thrown(answer_type: &'static str) -> Failure {
    Failure { answer_type, shape: FailureShape::Thrown, fields: "" }
}

/// A request whose handler answers with its own type.
const fn typed(answer_type: &'static str, fields: &'static str) -> Failure {
    Failure { answer_type, shape: FailureShape::Typed, fields }
}

impl Call<'_> {
    /// How lists are written to this client.
    fn dialect(&self) -> Dialect {
        rendered::dialect_of(self.connection.introduction().map_or("", |introduction| &introduction.version))
    }

    /// What the client said about itself. A registered connection always has it.
    fn introduction(&self) -> Introduction {
        self.connection.introduction().cloned().unwrap_or_default()
    }
}
