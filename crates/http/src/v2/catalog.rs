//! The catalog of v2: the instances of a service, page by page. It answers in an envelope and refuses in the words of v1
//! (recorded: `v2/ns-catalog`).

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::Naming;
use nacrite_base::{Instance, Kind};
use nacrite_wire::http::envelope::{result, write_list};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::catalog::v2_instances;
use nacrite_wire::json;
use nacrite_wire::service_info::{Host, write_host};

use crate::naming::{cases, reads};
use crate::reply;
use crate::table::{Answered, Call, Row};

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let naming = cases(app);
    vec![reads("GET /v2/ns/catalog/instances", Generation::CatalogV2, move |call| show(&naming, call))]
}

/// A page without instances has no list at all.
fn show(naming: &Naming, call: &Call<'_>) -> Answered {
    let ask = v2_instances(&call.params)?;
    let view = naming.query(&ask.service);
    let passes = |instance: &&Arc<Instance>| {
        ask.healthy.is_none_or(|healthy| instance.healthy == healthy)
            && ask.enabled.is_none_or(|enabled| instance.enabled == enabled)
    };
    let all: Vec<&Arc<Instance>> = view.instances.iter().filter(passes).collect();
    let mut page = ask.page.cut(all.iter()).peekable();
    let mut out = b"{".to_vec();
    if page.peek().is_some() {
        let grouped = ask.service.grouped();
        let host = Host { grouped: &grouped, ephemeral: view.kind != Some(Kind::Persistent), protected: false };
        out.extend_from_slice(b"\"instances\":");
        write_list(&mut out, page, |out, instance| write_host(out, instance, &host));
        out.push(b',');
    }
    out.extend_from_slice(b"\"count\":");
    json::write(&mut out, &all.len());
    out.push(b'}');
    Ok(reply::json(result(&out)))
}
