//! What the endpoints about namespaces have in common: what they show, and what later generations answer.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::namespaces::Namespace;
use nacrite_wire::http::envelope;
use nacrite_wire::http::namespaces::{NamespaceAsk, NamespaceDialect, NamespaceShown, list};
use nacrite_wire::http::refusal::{Refusal, shown};

use crate::reply;
use crate::table::Reply;

/// The id of the namespace that needs no record.
const DEFAULT: &str = "public";

/// All namespaces, the default one first.
pub(crate) fn all(app: &App, dialect: NamespaceDialect) -> Vec<u8> {
    let named = app.namespaces.all();
    let default = (NamespaceShown::Default { asked_as: None }, configs(app, DEFAULT));
    let named = named.iter().map(|namespace| (created(namespace), configs(app, &namespace.id)));
    list(std::iter::once(default).chain(named), dialect)
}

/// One namespace; blank means the default one.
///
/// # Errors
/// [`Refusal::NamespaceAbsent`].
pub(crate) fn one(app: &App, id: &str, dialect: NamespaceDialect) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(160);
    if id.trim().is_empty() || id == DEFAULT {
        NamespaceShown::Default { asked_as: Some(id) }.write(&mut out, configs(app, DEFAULT), dialect);
        return Ok(out);
    }
    let namespace = app.namespaces.get(id).ok_or_else(|| Refusal::NamespaceAbsent { id: shown(id) })?;
    created(&namespace).write(&mut out, configs(app, id), dialect);
    Ok(out)
}

fn created(namespace: &Namespace) -> NamespaceShown<'_> {
    let description = namespace.description.as_deref();
    NamespaceShown::Created { id: &namespace.id, title: &namespace.title, description }
}

/// Configs in a namespace. Cost: one pass over all configs.
fn configs(app: &App, id: &str) -> usize {
    app.config.configs().list(|key, entry| key.namespace.as_str() == id && entry.formal.is_some()).len()
}

/// Gives a namespace another title and description, as v2 and v3 answer.
pub(crate) fn update(app: &Arc<App>, ask: NamespaceAsk) -> Reply {
    let app = Arc::clone(app);
    Reply::later(async move {
        let id = ask.id.unwrap_or_default();
        app.namespace_cases.update(&id, &ask.title, ask.description.as_deref()).await?;
        Ok(reply::json(envelope::TRUE))
    })
}

/// Forgets a namespace, as v2 and v3 answer.
pub(crate) fn remove(app: &Arc<App>, id: &str) -> Reply {
    let (app, id) = (Arc::clone(app), id.to_owned());
    Reply::later(async move {
        app.namespace_cases.remove(&id).await?;
        Ok(reply::json(envelope::TRUE))
    })
}
