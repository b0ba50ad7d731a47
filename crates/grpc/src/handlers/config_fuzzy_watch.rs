//! `ConfigFuzzyWatchRequest`: a client wants to be told which configs match a pattern, or no longer.

use std::sync::Arc;

use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_app::push::fuzzy::ConfigWatch;
use nacrite_base::{Action, Area};
use nacrite_wire::from_wire::fuzzy::config_fuzzy_watch;

use super::fuzzy_watch::handle;
use super::thrown;
use crate::table::{Row, Senders};

pub(super) fn row(watch: Arc<ConfigWatch>) -> Row {
    Row {
        wire_type: "ConfigFuzzyWatchRequest",
        needs: Needs::Permission(Action::Read, Area::Config),
        limit: LimitClass::ConfigRead,
        senders: Senders::Anybody,
        failure: thrown("ConfigFuzzyWatchResponse"),
        run: Box::new(move |call| handle(&watch, call, config_fuzzy_watch(call.payload.body)).into()),
    }
}
