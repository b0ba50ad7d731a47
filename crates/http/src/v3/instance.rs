//! Instances for operators in v3.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::Naming;
use nacrite_base::{Instance, Kind};
use nacrite_naming::ServiceView;
use nacrite_wire::from_wire::instance::Strictness;
use nacrite_wire::http::envelope::{result, write_list};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::form_service;
use nacrite_wire::http::naming::instance::{InstanceRef, PatchAsk, form_instance, form_ref};
use nacrite_wire::http::refusal::{Refusal, shown};
use nacrite_wire::service_info::{Host, write_host};

use super::client_instance::ok;
use crate::naming::{self, cases, reads, writes};
use crate::reply;
use crate::table::{Answered, Call, Reply, Row};

const V3: Generation = Generation::V3;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [register, deregister, update, partial, get, list] = std::array::from_fn(|_| cases(app));
    vec![
        writes("POST /v3/admin/ns/instance", V3, move |call| {
            naming::register(&register, form_instance(&call.params, Strictness::Single)?, ok)
        }),
        writes("DELETE /v3/admin/ns/instance", V3, move |call| {
            naming::deregister(&deregister, form_instance(&call.params, Strictness::Lax)?, ok)
        }),
        writes("PUT /v3/admin/ns/instance", V3, move |call| {
            Ok(naming::update(&update, form_instance(&call.params, Strictness::Lax)?, ok))
        }),
        writes("PUT /v3/admin/ns/instance/partial", V3, move |call| update_partially(&partial, call)),
        reads("GET /v3/admin/ns/instance", V3, move |call| show(&get, call)),
        reads("GET /v3/admin/ns/instance/list", V3, move |call| show_list(&list, call)),
    ]
}

/// The form has defaults, so weight and the switch are always set; only metadata stay if they are not said (recorded:
/// `v3/ns-instance-update`).
fn update_partially(naming: &Naming, call: &Call<'_>) -> Result<Reply, Refusal> {
    let ask = form_instance(&call.params, Strictness::Lax)?;
    let Instance { key, weight, enabled, metadata, .. } = ask.new.instance;
    let patch = PatchAsk {
        instance: InstanceRef { service: ask.service, key },
        weight: Some(weight),
        enabled: Some(enabled),
        metadata: call.params.get("metadata").map(|_| metadata),
    };
    naming::patch(naming, patch, ok)
}

fn show(naming: &Naming, call: &Call<'_>) -> Answered {
    let InstanceRef { service, key } = form_ref(&call.params)?;
    let instance = naming::instance(naming, &service, &key)?;
    let mut out = Vec::with_capacity(384);
    write(&mut out, &naming.query(&service), &instance);
    Ok(reply::json(result(&out)))
}

fn show_list(naming: &Naming, call: &Call<'_>) -> Answered {
    let service = form_service(&call.params)?;
    let cluster = call.params.get("clusterName").unwrap_or("DEFAULT");
    let healthy_only = call.params.form_flag("healthyOnly")?.unwrap_or(false);
    if naming.service_settings(&service).is_err() {
        return Err(Refusal::ListedServiceAbsent { service });
    }
    let view = naming.query(&service);
    let in_cluster = || view.instances.iter().filter(|instance| instance.key.cluster.as_str() == cluster);
    if in_cluster().next().is_none() {
        return Err(Refusal::ListedClusterAbsent { cluster: shown(cluster) });
    }
    let wanted = in_cluster().filter(|instance| instance.healthy || !healthy_only);
    let mut out = Vec::with_capacity(512);
    write_list(&mut out, wanted, |out, instance| write(out, &view, instance));
    Ok(reply::json(result(&out)))
}

fn write(out: &mut Vec<u8>, view: &ServiceView, instance: &Instance) {
    let grouped = view.key.grouped();
    let ephemeral = view.kind != Some(Kind::Persistent);
    write_host(out, instance, &Host { grouped: &grouped, ephemeral, protected: false });
}
