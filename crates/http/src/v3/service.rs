//! Services for operators in v3.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::Naming;
use nacrite_naming::ServiceView;
use nacrite_wire::http::envelope::result;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::form_service;
use nacrite_wire::http::naming::lookups::SELECTOR_TYPES;
use nacrite_wire::http::naming::service::{form, v3_catalog, v3_subscribers};
use nacrite_wire::http::naming::shown::page;

use super::client_instance::ok;
use crate::clients::subscriber;
use crate::naming::{self, cases, reads, writes};
use crate::reply;
use crate::table::{Answered, Call, Row};

const V3: Generation = Generation::V3;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [create, update, delete, get, list, subscribers] = std::array::from_fn(|_| cases(app));
    vec![
        writes("POST /v3/admin/ns/service", V3, move |call| {
            Ok(naming::create_service(&create, form(&call.params)?, ok))
        }),
        writes("PUT /v3/admin/ns/service", V3, move |call| {
            Ok(naming::update_service(&update, form(&call.params)?, ok))
        }),
        writes("DELETE /v3/admin/ns/service", V3, move |call| {
            Ok(naming::delete_service(&delete, form_service(&call.params)?, ok))
        }),
        reads("GET /v3/admin/ns/service", V3, move |call| {
            let service = form_service(&call.params)?;
            let shown = naming::service(&get, &service, |detail| detail.v3())?;
            Ok(reply::json(result(&shown)))
        }),
        reads("GET /v3/admin/ns/service/list", V3, move |call| show_list(&list, call)),
        reads("GET /v3/admin/ns/service/subscribers", V3, move |call| show_subscribers(&subscribers, call)),
        reads("GET /v3/admin/ns/service/selector/types", V3, |_| Ok(reply::json(result(SELECTOR_TYPES)))),
    ]
}

fn show_list(naming: &Naming, call: &Call<'_>) -> Answered {
    let ask = v3_catalog(&call.params)?;
    let services = naming::catalog(naming, &ask);
    let views: Vec<Arc<ServiceView>> = ask.page.cut(services.iter()).map(|key| naming.query(key)).collect();
    let lines = views.iter().map(|view| naming::line(naming, view));
    let written = page(services.len(), ask.page, lines, |out, line| {
        if ask.with_instances {
            line.write_instances(out);
        } else {
            line.write_counts(out);
        }
    });
    Ok(reply::json(result(&written)))
}

fn show_subscribers(naming: &Naming, call: &Call<'_>) -> Answered {
    let ask = v3_subscribers(&call.params)?;
    let all = naming.subscribers_like(&ask.service);
    let shown = page(all.len(), ask.page, ask.page.cut(all.iter()), |out, held| subscriber(held).write_v3(out));
    Ok(reply::json(result(&shown)))
}
