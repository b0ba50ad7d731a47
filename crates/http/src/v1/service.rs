//! Services in v1.

use std::collections::BTreeMap;
use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::Naming;
use nacrite_base::NamespaceId;
use nacrite_wire::http::envelope::{rest_result, write_list};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::lookups::{SELECTOR_TYPES, names_by_namespace};
use nacrite_wire::http::naming::service::{v1_create, v1_list, v1_subscribers, v1_update};
use nacrite_wire::http::naming::shown::{matches, names};
use nacrite_wire::http::naming::{namespace, v1_service};
use nacrite_wire::json;

use super::instance::ok;
use crate::clients::subscriber;
use crate::naming::{self, cases, probed, reads, writes};
use crate::reply;
use crate::table::{Answered, Call, Row};

const V1: Generation = Generation::NamingV1;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [create, update, delete, get, list, names, subscribers] = std::array::from_fn(|_| cases(app));
    vec![
        writes("POST /v1/ns/service", V1, move |call| {
            Ok(naming::create_service(&create, v1_create(&call.params)?, ok))
        }),
        writes("PUT /v1/ns/service", V1, move |call| Ok(naming::update_service(&update, v1_update(&call.params)?, ok))),
        writes("DELETE /v1/ns/service", V1, move |call| {
            Ok(naming::delete_service(&delete, v1_service(&call.params)?, ok))
        }),
        reads("GET /v1/ns/service", V1, move |call| {
            let service = v1_service(&call.params)?;
            Ok(reply::json(naming::service(&get, &service, |detail| detail.v1())?))
        }),
        reads("GET /v1/ns/service/list", V1, move |call| show_list(&list, call)),
        reads("GET /v1/ns/service/names", V1, move |call| show_names(&names, call)),
        probed("GET /v1/ns/service/selector/types", V1, |_| reply::json(rest_result(SELECTOR_TYPES))),
        reads("GET /v1/ns/service/subscribers", V1, move |call| show_subscribers(&subscribers, call)),
    ]
}

fn show_list(naming: &Naming, call: &Call<'_>) -> Answered {
    let ask = v1_list(&call.params)?;
    let page = naming.list(&ask.namespace, &ask.group, ask.page_no, ask.page_size);
    Ok(reply::json(names("doms", page.count, page.names.iter().map(|name| name.as_str()))))
}

/// Names of one namespace, or of every one that has services.
fn show_names(naming: &Naming, call: &Call<'_>) -> Answered {
    let wanted = call.params.get("namespaceId").map(|_| namespace(&call.params)).transpose()?;
    let expression = call.params.get("expr").unwrap_or_default();
    let services = naming.services(|key| wanted.as_ref().is_none_or(|wanted| key.namespace == *wanted));
    let mut all: BTreeMap<&NamespaceId, Vec<String>> = wanted.iter().map(|namespace| (namespace, vec![])).collect();
    for key in &services {
        let names = all.entry(&key.namespace).or_default();
        names.extend(Some(key.grouped()).filter(|grouped| matches(expression, grouped)));
    }
    Ok(reply::json(names_by_namespace(all)))
}

fn show_subscribers(naming: &Naming, call: &Call<'_>) -> Answered {
    let ask = v1_subscribers(&call.params)?;
    let all = naming.subscribers_like(&ask.service);
    let mut out = b"{\"subscribers\":".to_vec();
    write_list(&mut out, ask.page.cut(all.iter()), |out, held| subscriber(held).write_v1(out));
    out.extend_from_slice(b",\"count\":");
    json::write(&mut out, &all.len());
    out.push(b'}');
    Ok(reply::json(out))
}
