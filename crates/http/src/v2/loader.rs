//! The connections of this node in v2, and how operators send them elsewhere. Not wrapped, and all of it GET.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_wire::http::failure::Generation;

use crate::connections;
use crate::naming::{LOOK, OPERATE, operates};
use crate::reply;
use crate::table::Row;

const LOADER: Generation = Generation::LoaderV2;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [current, cluster, smart, reload, reload_one] = std::array::from_fn(|_| Arc::clone(app));
    vec![
        operates("GET /v2/core/loader/current", LOADER, LOOK, move |_| {
            Ok(reply::json(connections::current(&current))).into()
        }),
        operates("GET /v2/core/loader/cluster", LOADER, LOOK, move |call| {
            connections::load(&cluster, call, |load| reply::json(load.v2()))
        }),
        operates("GET /v2/core/loader/smartReloadCluster", LOADER, OPERATE, move |call| {
            connections::smart_reload(&smart, call, |told| reply::text(if told.is_ok() { "Ok" } else { "Fail" }))
        }),
        operates("GET /v2/core/loader/reloadCurrent", LOADER, OPERATE, move |call| {
            connections::reload(&reload, &call.params).map(|()| reply::text("success")).into()
        }),
        operates("GET /v2/core/loader/reloadClient", LOADER, OPERATE, move |call| {
            connections::reload_client(&reload_one, &call.params).map(|()| reply::text("success")).into()
        }),
    ]
}
