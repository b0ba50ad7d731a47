//! `NamingFuzzyWatchRequest`: a client wants to be told which services match a pattern, or no longer.

use std::sync::Arc;

use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_app::push::fuzzy::ServiceWatch;
use nacrite_base::{Action, Area};
use nacrite_wire::from_wire::fuzzy::naming_fuzzy_watch;

use super::fuzzy_watch::handle;
use super::thrown;
use crate::table::{Row, Senders};

pub(super) fn row(watch: Arc<ServiceWatch>) -> Row {
    Row {
        wire_type: "NamingFuzzyWatchRequest",
        needs: Needs::Permission(Action::Read, Area::Naming),
        limit: LimitClass::NamingRead,
        senders: Senders::Anybody,
        failure: thrown("NamingFuzzyWatchResponse"),
        run: Box::new(move |call| handle(&watch, call, naming_fuzzy_watch(call.payload.body)).into()),
    }
}
