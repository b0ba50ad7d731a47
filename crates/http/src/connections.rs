//! What the endpoints about connections have in common: what they show, and how clients are told to go elsewhere.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::connections::{Connection, Introduction};
use nacrite_app::push::outbox::Redirect;
use nacrite_base::ConnectionId;
use nacrite_wire::http::params::Params;
use nacrite_wire::http::refusal::Refusal;
use nacrite_wire::http::server::{ConnectionShown, NodeLoad, connections};

use crate::table::Call;

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
    })
}

/// The load of this node, which is alone.
pub(crate) fn load(app: &App, call: &Call<'_>, write: impl FnOnce(&NodeLoad<'_>) -> Vec<u8>) -> Vec<u8> {
    let all = app.connections.all();
    let sdk = all.iter().filter(|c| c.introduction().is_some_and(Introduction::is_sdk)).count();
    let address = call.local.to_string();
    write(&NodeLoad { address: &address, sdk, all: all.len() })
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

/// Checks by how much nodes may differ. A node that is alone has nobody to share with, so there is nothing to do.
///
/// # Errors
/// [`Refusal::NumberExpected`].
pub(crate) fn factor(params: &Params<'_>) -> Result<(), Refusal> {
    params.get("loaderFactor").map_or(Ok(()), |given| {
        let number: Result<f32, _> = given.parse();
        number.map(|_| ()).map_err(|_| Refusal::NumberExpected { given: given.to_owned() })
    })
}
