//! Clients in v2: who they are, what they publish and what they subscribe to.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_base::Host;
use nacrite_wire::http::envelope::{result, write_list};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::clients::{PortAs, Published, write_publisher_v2};
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
        operates(endpoint, Generation::V2, LOOK, move |call| show(&app, call).into())
    };
    vec![
        row("GET /v2/ns/client/list", list),
        row("GET /v2/ns/client", |app, call| {
            Ok(reply::json(result(&clients::find(app, &call.params)?.encode(app, PortAs::Text))))
        }),
        row("GET /v2/ns/client/publish/list", published),
        row("GET /v2/ns/client/subscribe/list", subscribed),
        row("GET /v2/ns/client/service/publisher/list", publishers),
        row("GET /v2/ns/client/service/subscriber/list", subscribers),
        row("GET /v2/ns/operator/metrics", counts),
        row("GET /v2/ns/ops/metrics", counts),
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
    write_list(&mut out, &published, |out, (service, instance)| Published { service, instance }.write_v2(out));
    Ok(reply::json(result(&out)))
}

fn subscribed(app: &App, call: &Call<'_>) -> Answered {
    let mut out = Vec::new();
    let subscribed = clients::find(app, &call.params)?.subscribed(app);
    write_list(&mut out, &subscribed, |out, held| subscriber(held).write_of_client_v2(out));
    Ok(reply::json(result(&out)))
}

fn publishers(app: &App, call: &Call<'_>) -> Answered {
    let publishers = app.naming.publishers(&form_service(&call.params)?);
    let ip = |host: &Option<Host>| host.as_ref().map(|host| host.as_str().to_owned());
    let wanted = publishers.iter().filter(|(_, key)| is_wanted(&call.params, ip(&key.host).as_deref(), key.port));
    let mut out = Vec::new();
    write_list(&mut out, wanted, |out, (client, key)| {
        write_publisher_v2(out, client, ip(&key.host).as_deref(), key.port);
    });
    Ok(reply::json(result(&out)))
}

fn subscribers(app: &App, call: &Call<'_>) -> Answered {
    let subscribers = app.naming.subscribers(&form_service(&call.params)?);
    let shown = subscribers.iter().map(subscriber);
    let wanted = shown.filter(|shown| is_wanted(&call.params, Some(shown.ip()), shown.port()));
    let mut out = Vec::new();
    write_list(&mut out, wanted, |out, shown| {
        write_publisher_v2(out, shown.client, Some(shown.ip()), shown.port());
    });
    Ok(reply::json(result(&out)))
}

fn counts(app: &App, call: &Call<'_>) -> Answered {
    let only_status = call.params.form_flag("onlyStatus")?.unwrap_or(true);
    let counts = (!only_status).then(|| clients::counts(app));
    Ok(reply::json(result(&metrics(app.is_ready(), counts.as_ref(), CountsFor::V2))))
}
