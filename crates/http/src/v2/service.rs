//! Services in v2.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::Naming;
use nacrite_wire::http::envelope;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::bound_service;
use nacrite_wire::http::naming::service::{form, v2_list};
use nacrite_wire::http::naming::shown::names;

use super::instance::ok;
use crate::naming::{self, cases, reads, writes};
use crate::reply;
use crate::table::{Answered, Call, Row};

const V2: Generation = Generation::V2;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [create, update, delete, get, list] = std::array::from_fn(|_| cases(app));
    vec![
        writes("POST /v2/ns/service", V2, move |call| Ok(naming::create_service(&create, form(&call.params)?, ok))),
        writes("PUT /v2/ns/service", V2, move |call| Ok(naming::update_service(&update, form(&call.params)?, ok))),
        writes("DELETE /v2/ns/service", V2, move |call| {
            Ok(naming::delete_service(&delete, bound_service(&call.params)?, ok))
        }),
        reads("GET /v2/ns/service", V2, move |call| {
            let service = bound_service(&call.params)?;
            let shown = naming::service(&get, &service, |detail| detail.v2())?;
            Ok(reply::json(envelope::result(&shown)))
        }),
        reads("GET /v2/ns/service/list", V2, move |call| show_list(&list, call)),
    ]
}

fn show_list(naming: &Naming, call: &Call<'_>) -> Answered {
    let ask = v2_list(&call.params)?;
    let page = naming.list(&ask.namespace, &ask.group, ask.page_no, ask.page_size);
    let names = names("services", page.count, page.names.iter().map(|name| name.as_str()));
    Ok(reply::json(envelope::result(&names)))
}
