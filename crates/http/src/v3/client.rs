//! Clients for operators in v3, and what naming counts.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_base::Host;
use nacrite_wire::http::envelope::{result, write_list};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::clients::{PortAs, Published, write_publisher};
use nacrite_wire::http::naming::form_service;
use nacrite_wire::http::server::{CountsFor, metrics};
use nacrite_wire::json;

use crate::clients::{self, is_wanted, subscriber};
use crate::naming::{LOOK, operates};
use crate::reply;
use crate::table::{Answered, Call, Row};

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let row = |endpoint, show: fn(&App, &Call<'_>) -> Answered| {
        let app = Arc::clone(app);
        operates(endpoint, Generation::V3, LOOK, move |call| show(&app, call).into())
    };
    vec![
        row("GET /v3/admin/ns/client/list", list),
        row("GET /v3/admin/ns/client", |app, call| {
            Ok(reply::json(result(&clients::find(app, &call.params)?.encode(app, PortAs::Number))))
        }),
        row("GET /v3/admin/ns/client/publish/list", published),
        row("GET /v3/admin/ns/client/subscribe/list", subscribed),
        row("GET /v3/admin/ns/client/service/publisher/list", publishers),
        row("GET /v3/admin/ns/client/service/subscriber/list", subscribers),
        row("GET /v3/admin/ns/client/distro", responsible),
        row("GET /v3/admin/ns/ops/metrics", counts),
    ]
}

fn list(app: &App, _: &Call<'_>) -> Answered {
    let mut out = Vec::new();
    write_list(&mut out, clients::all(app), |out, client| json::write(out, &client.to_string()));
    Ok(reply::json(result(&out)))
}

fn published(app: &App, call: &Call<'_>) -> Answered {
    let mut out = Vec::new();
    let published = clients::find(app, &call.params)?.published(app);
    write_list(&mut out, &published, |out, (service, instance)| Published { service, instance }.write_v3(out));
    Ok(reply::json(result(&out)))
}

fn subscribed(app: &App, call: &Call<'_>) -> Answered {
    let mut out = Vec::new();
    let subscribed = clients::find(app, &call.params)?.subscribed(app);
    write_list(&mut out, &subscribed, |out, held| subscriber(held).write_of_client_v3(out));
    Ok(reply::json(result(&out)))
}

fn publishers(app: &App, call: &Call<'_>) -> Answered {
    let publishers = app.naming.publishers(&form_service(&call.params)?);
    let wanted =
        publishers.iter().filter(|(_, key)| is_wanted(&call.params, key.host.as_ref().map(Host::as_str), key.port));
    let mut out = Vec::new();
    write_list(&mut out, wanted, |out, (client, instance)| write_publisher(out, Some(client), instance));
    Ok(reply::json(result(&out)))
}

fn subscribers(app: &App, call: &Call<'_>) -> Answered {
    let subscribers = app.naming.subscribers(&form_service(&call.params)?);
    let shown = subscribers.iter().map(subscriber);
    let wanted = shown.filter(|shown| is_wanted(&call.params, Some(shown.ip()), shown.port()));
    let mut out = Vec::new();
    write_list(&mut out, wanted, |out, shown| shown.write_client_v3(out));
    Ok(reply::json(result(&out)))
}

/// Which node owns the client of an address: this one, because it is alone.
fn responsible(_: &App, call: &Call<'_>) -> Answered {
    for name in ["ip", "port"] {
        call.params.bound(name)?;
    }
    let mut out = b"{\"responsibleServer\":".to_vec();
    json::write(&mut out, &call.local.to_string());
    out.push(b'}');
    Ok(reply::json(result(&out)))
}

fn counts(app: &App, call: &Call<'_>) -> Answered {
    let only_status = call.params.form_flag("onlyStatus")?.unwrap_or(true);
    let counts = (!only_status).then(|| clients::counts(app));
    Ok(reply::json(result(&metrics(app.is_ready(), counts.as_ref(), CountsFor::V3))))
}
