//! What the endpoints about connections have in common: what they show, and how clients are told to go elsewhere.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::balance::plan::Tolerance;
use nacrite_app::connections::{Carried, Connection};
use nacrite_app::push::outbox::Redirect;
use nacrite_base::ConnectionId;
use nacrite_wire::http::load::{self, ClusterLoad, ConnectionRow, ConnectionsShown, NodeLoad};
use nacrite_wire::http::params::Params;
use nacrite_wire::http::refusal::Refusal;
use nacrite_wire::http::server::{ConnectionShown, connections};

use crate::reply::Answer;
use crate::table::{Call, Reply};

/// Addresses, applications and connections that one answer shows; the first of each are those with the most.
const ROWS_MAX: usize = 1000;

/// By how much servers may differ if nobody says so (`reference/http.md`, 3.5).
const LOADER_FACTOR: f32 = 0.1;

/// Every connection.
pub(crate) fn current(app: &App) -> Vec<u8> {
    let all = app.connections.all();
    let shown: Vec<_> = all.iter().filter_map(shown).collect();
    connections(&shown)
}

/// A connection as it is written; one that did not introduce itself is not listed.
fn shown(connection: &Arc<Connection>) -> Option<ConnectionShown<'_>> {
    let said = connection.introduction()?;
    Some(ConnectionShown {
        id: &connection.id,
        client_ip: &said.client_ip,
        remote_ip: connection.remote.ip().to_canonical().to_string(),
        remote_port: connection.remote.port(),
        local_port: connection.local_port,
        version: &said.version,
        opened_at: connection.opened_at,
        active_at: connection.active_at(),
        app: said.app_name(),
        namespace: said.tenant.as_deref(),
        labels: said.labels.iter().map(|(name, value)| (&**name, &**value)).collect(),
        is_traced: connection.is_traced(),
    })
}

/// How connections are counted, and those of one address if it is named.
pub(crate) fn counted(app: &App, ip: Option<&str>) -> Vec<u8> {
    let (mut census, rule) = (app.connections.census(), app.connections.rule());
    census.by_ip.truncate(ROWS_MAX);
    census.by_app.truncate(ROWS_MAX);
    let limits = [("total", rule.total), ("perIp", rule.per_ip), ("perApp", rule.per_app)];
    let of_ip = ip.map_or_else(Vec::new, |ip| {
        let mut all = app.connections.all();
        all.retain(|connection| connection.introduction().is_some_and(|said| &*said.client_ip == ip));
        all.sort_by_key(|connection| connection.opened_at);
        all.iter().take(ROWS_MAX).map(|connection| row(app, connection)).collect()
    });
    let shown = ConnectionsShown {
        total: census.total,
        sdk: census.sdk,
        refusing: app.takes_clients(),
        by_ip: census.by_ip,
        by_app: census.by_app,
        limits: limits.into_iter().filter_map(|(name, max)| Some((name, max?))).collect(),
        mode: rule.mode.name(),
        connections: of_ip,
    };
    shown.encode()
}

fn row(app: &App, connection: &Connection) -> ConnectionRow {
    let Carried { messages_in, bytes_in, messages_out, bytes_out } = connection.traffic.carried();
    let said = connection.introduction();
    let blocked = connection.blocked_since().map(|since| app.clock.now().since(since).as_millis());
    ConnectionRow {
        id: connection.id.as_str().to_owned(),
        app: said.map_or("-", |said| said.app_name()).to_owned(),
        version: said.map(|said| said.version.to_string()).unwrap_or_default(),
        carried: load::Carried { received: (messages_in, bytes_in), sent: (messages_out, bytes_out) },
        waiting: connection.outbox.load(),
        blocked_ms: blocked.map_or(0, |ms| u64::try_from(ms).unwrap_or(u64::MAX)),
        is_traced: connection.is_traced(),
    }
}

/// How many connections every server has.
pub(crate) fn load(app: &Arc<App>, call: &Call<'_>, write: fn(&ClusterLoad) -> Answer) -> Reply {
    let (app, local) = (Arc::clone(app), call.local);
    Reply::later(async move {
        let load = app.balance.measure().await;
        // Alone, a server need not know how others call it.
        let own = load.address.as_ref().map_or_else(|| local.to_string(), ToString::to_string);
        let node = |address, load: &nacrite_app::balance::Load| NodeLoad { address, sdk: load.sdk, all: load.all };
        let others = load.others.iter().map(|(member, load)| node(member.to_string(), load));
        let mut nodes: Vec<_> = std::iter::once(node(own, &load.own)).chain(others).collect();
        nodes.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(write(&ClusterLoad { nodes, members: load.members }))
    })
}

/// Evens clients out over servers; the answer comes when they were told, not when it is done.
pub(crate) fn smart_reload(app: &Arc<App>, call: &Call<'_>, done: fn(Result<(), usize>) -> Answer) -> Reply {
    let share = match factor(&call.params) {
        Ok(share) => share,
        Err(refusal) => return refusal.into(),
    };
    let app = Arc::clone(app);
    Reply::later(async move {
        let told = app.balance.smart_reload(Tolerance::from_share(share)).await;
        Ok(done(told.map_err(|not_told| not_told.failed)))
    })
}

/// Tells one client to go elsewhere; one that is not here is told nothing.
///
/// # Errors
/// [`Refusal::NotBound`] or [`Refusal::Unbindable`].
pub(crate) fn reload_client(app: &App, params: &Params<'_>) -> Result<(), Refusal> {
    let id = ConnectionId::new(params.bound("connectionId")?);
    app.reset(&id, redirect(params)?.map(Redirect::parse).transpose()?.flatten());
    Ok(())
}

/// Tells clients to go elsewhere until `count` are left.
///
/// # Errors
/// [`Refusal::NotBound`] or [`Refusal::Unbindable`].
pub(crate) fn reload(app: &App, params: &Params<'_>) -> Result<(), Refusal> {
    params.bound("count")?;
    let keep: i64 = params.form_number("count")?.unwrap_or(0);
    app.reload(usize::try_from(keep).unwrap_or(0), redirect(params)?)?;
    Ok(())
}

/// Where clients are told to go. An address that names no port is the server's failure in Nacos (recorded:
/// `conn-reset-bad-redirect`).
fn redirect<'p>(params: &'p Params<'_>) -> Result<Option<&'p str>, Refusal> {
    let Some(given) = params.get("redirectAddress") else { return Ok(None) };
    Redirect::parse(given).map_err(|_| Refusal::unbindable("redirectAddress", given))?;
    Ok(Some(given))
}

/// By how much servers may differ.
fn factor(params: &Params<'_>) -> Result<f32, Refusal> {
    let Some(given) = params.get("loaderFactor") else { return Ok(LOADER_FACTOR) };
    given.parse().map_err(|_| Refusal::NumberExpected { given: given.to_owned() })
}
