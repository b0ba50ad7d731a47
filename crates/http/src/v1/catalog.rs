//! The catalog of v1: services and instances as its console looks at them.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::Naming;
use nacrite_base::{Fault, Kind};
use nacrite_naming::ServiceView;
use nacrite_wire::http::envelope::write_list;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::catalog::{services, services_with_instances, v1_instances, v1_one, v1_services};
use nacrite_wire::http::refusal::Refusal;
use nacrite_wire::json;
use nacrite_wire::service_info::{Host, write_host};

use crate::naming::{self, cases, reads};
use crate::reply;
use crate::table::{Answered, Call, Row};

const V1: Generation = Generation::NamingV1;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [one, all, instances] = std::array::from_fn(|_| cases(app));
    vec![
        reads("GET /v1/ns/catalog/service", V1, move |call| show(&one, call)),
        reads("GET /v1/ns/catalog/services", V1, move |call| show_services(&all, call)),
        reads("GET /v1/ns/catalog/instances", V1, move |call| show_instances(&instances, call)),
    ]
}

fn show(naming: &Naming, call: &Call<'_>) -> Answered {
    let service = v1_one(&call.params)?;
    let shown = naming::service(naming, &service, |detail| detail.catalog()).map_err(|refusal| match refusal {
        Refusal::Fault(Fault::ServiceMissing { service }) => Refusal::ListedServiceAbsent { service },
        other => other,
    })?;
    Ok(reply::json(shown))
}

/// A page behind the last is empty, as in 3.1; 2.5.1 shows the first again, so that who reads to the end never gets there.
fn show_services(naming: &Naming, call: &Call<'_>) -> Answered {
    let ask = v1_services(&call.params)?;
    let all = naming::catalog(naming, &ask);
    let views: Vec<Arc<ServiceView>> = ask.page.cut(all.iter()).map(|key| naming.query(key)).collect();
    let lines = views.iter().map(|view| naming::line(naming, view));
    Ok(reply::json(if ask.with_instances { services_with_instances(lines) } else { services(all.len(), lines) }))
}

fn show_instances(naming: &Naming, call: &Call<'_>) -> Answered {
    let ask = v1_instances(&call.params)?;
    let service = ask.service;
    if naming.service_settings(&service).is_err() {
        return Err(Refusal::ListedServiceAbsent { service });
    }
    let view = naming.query(&service);
    let cluster = ask.cluster.unwrap_or_default();
    let in_cluster = || view.instances.iter().filter(|instance| instance.key.cluster.as_str() == cluster);
    let count = in_cluster().count();
    if count == 0 {
        return Err(Refusal::ListedClusterAbsent { cluster });
    }
    let grouped = service.grouped();
    let host = Host { grouped: &grouped, ephemeral: view.kind != Some(Kind::Persistent), protected: false };
    let mut out = b"{\"list\":".to_vec();
    write_list(&mut out, ask.page.cut(in_cluster()), |out, instance| write_host(out, instance, &host));
    out.extend_from_slice(b",\"count\":");
    json::write(&mut out, &count);
    out.push(b'}');
    Ok(reply::json(out))
}
