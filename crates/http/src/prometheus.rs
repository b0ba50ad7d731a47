//! What Prometheus asks to find its targets: every instance, healthy or not, of all namespaces, of one, or of the services
//! of one name in it.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use nacrite_app::App;
use nacrite_app::naming::Naming;
use nacrite_app::pipeline::Needs;
use nacrite_base::{Action, Area, Fault, ServiceKey};
use nacrite_wire::http::envelope::write_list;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::forms;
use nacrite_wire::http::prometheus::write_group;
use nacrite_wire::http::refusal::Refusal;

use crate::naming::{cases, operates};
use crate::reply::{self, Answer, JSON_UTF8};
use crate::table::{Answered, Call, Row};

/// What stands in front of a namespace in a path.
const PREFIX: &str = "/prometheus/namespaceId/";

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let row = |endpoint, show: fn(&Naming, &Call<'_>) -> Answered| {
        let naming = cases(app);
        let needs = Needs::Permission(Action::Read, Area::Naming);
        // It counts as an operation: few ask, and each answer may be as long as the registry is large.
        operates(endpoint, Generation::ConsoleV1, needs, move |call| show(&naming, call).into())
    };
    vec![
        row("GET /prometheus", |naming, _| Ok(targets(naming, |_| true))),
        row("GET /prometheus/namespaceId/*", |naming, call| {
            let (namespace, name) = scope(call.uri)?;
            let is_asked = |key: &ServiceKey| {
                key.namespace.as_str() == namespace && name.as_ref().is_none_or(|name| key.name.as_str() == name)
            };
            Ok(targets(naming, is_asked))
        }),
    ]
}

/// The namespace of a path, and the name of the service if it has one. One that nobody has is not a mistake: there is
/// nothing to find in it.
fn scope(uri: &str) -> Result<(Cow<'_, str>, Option<Cow<'_, str>>), Refusal> {
    let (_, path) = uri.split_once(PREFIX).unwrap_or_default();
    let decoded = |part: &'_ str| forms::decode_path(part.as_bytes()).map(Cow::into_owned).ok_or(Refusal::Undecodable);
    match path.split('/').collect::<Vec<_>>()[..] {
        [namespace] => Ok((decoded(namespace)?.into(), None)),
        [namespace, "service", name] => Ok((decoded(namespace)?.into(), Some(decoded(name)?.into()))),
        _ => Err(Fault::UnknownRequest.into()),
    }
}

/// An instance that was registered without an address is no target.
fn targets(naming: &Naming, is_asked: impl FnMut(&ServiceKey) -> bool) -> Answer {
    let views: Vec<_> = naming.services(is_asked).iter().map(|service| naming.query(service)).collect();
    let instances = views.iter().flat_map(|view| &view.instances);
    let addressed = instances.filter_map(|instance| Some((instance.key.host.as_ref()?, instance)));
    let mut out = Vec::with_capacity(512);
    write_list(&mut out, addressed, |out, (host, instance)| write_group(out, host, instance));
    reply::typed(StatusCode::OK, JSON_UTF8, out)
}
