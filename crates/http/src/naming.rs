//! What the naming endpoints of all generations have in common: from a request that was read to its use case.
//!
//! Only ephemeral instances are answered at once; everything else waits for the disk.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::{Beaten, InstancePatch, Naming, ServiceSettings};
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area, Fault, Instance, InstanceKey, Kind, Metadata, ServiceKey};
use nacrite_naming::{Override, ServiceMetadata, ServiceView};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::beat::{self, BeatAsk, BeatOutcome};
use nacrite_wire::http::naming::cluster::ShownCluster;
use nacrite_wire::http::naming::instance::{InstanceAsk, InstanceRef, PatchAsk};
use nacrite_wire::http::naming::service::{CatalogAsk, ServiceAsk};
use nacrite_wire::http::naming::shown::{ServiceDetail, ServiceLine, clusters_of, matches};
use nacrite_wire::http::refusal::Refusal;

use crate::reply::{self, Answer};
use crate::table::{Answered, Call, Reply, Row};

/// Writes that something was done.
pub(crate) type Done = fn() -> Answer;

/// A row that reads naming.
pub(crate) fn reads(
    endpoint: &'static str,
    generation: Generation,
    run: impl Fn(&Call<'_>) -> Answered + Send + Sync + 'static,
) -> Row {
    Row {
        endpoint,
        needs: Needs::Permission(Action::Read, Area::Naming),
        limit: LimitClass::NamingRead,
        generation,
        run: Box::new(move |call| run(call).into()),
    }
}

/// A row that changes naming.
pub(crate) fn writes(
    endpoint: &'static str,
    generation: Generation,
    run: impl Fn(&Call<'_>) -> Result<Reply, Refusal> + Send + Sync + 'static,
) -> Row {
    Row {
        endpoint,
        needs: Needs::Permission(Action::Write, Area::Naming),
        limit: LimitClass::NamingWrite,
        generation,
        run: Box::new(move |call| run(call).unwrap_or_else(Reply::from)),
    }
}

/// A row of operators; `needs` says what.
pub(crate) fn operates(
    endpoint: &'static str,
    generation: Generation,
    needs: Needs,
    run: impl Fn(&Call<'_>) -> Reply + Send + Sync + 'static,
) -> Row {
    Row { endpoint, needs, limit: LimitClass::Operation, generation, run: Box::new(run) }
}

/// A row that answers whoever asks, however much there is to do: probes ask it whether the server lives.
pub(crate) fn probed(
    endpoint: &'static str,
    generation: Generation,
    run: impl Fn(&Call<'_>) -> Answer + Send + Sync + 'static,
) -> Row {
    let run = Box::new(move |call: &Call<'_>| Reply::Now(Ok(run(call))));
    Row { endpoint, needs: Needs::Nothing, limit: LimitClass::Connection, generation, run }
}

/// What an operator needs to look at the server, and to change it.
pub(crate) const LOOK: Needs = Needs::Permission(Action::Read, Area::Operation);
pub(crate) const OPERATE: Needs = Needs::Permission(Action::Write, Area::Operation);

/// Registers an instance.
pub(crate) fn register(naming: &Naming, ask: InstanceAsk, done: Done) -> Result<Reply, Refusal> {
    let InstanceAsk { service, kind, new } = ask;
    if kind.unwrap_or_else(|| naming.default_kind()) == Kind::Ephemeral {
        naming.register_beating(&service, new)?;
        return Ok(Reply::Now(Ok(done())));
    }
    let naming = naming.clone();
    Ok(Reply::later(async move {
        naming.register_persistent(&service, new).await?;
        Ok(done())
    }))
}

/// Deregisters an instance; one that is not there is as good as deregistered.
pub(crate) fn deregister(naming: &Naming, ask: InstanceAsk, done: Done) -> Result<Reply, Refusal> {
    let InstanceAsk { service, kind, new } = ask;
    if kind.unwrap_or_else(|| naming.default_kind()) == Kind::Ephemeral {
        naming.deregister_beating(&service, &new.instance.key)?;
        return Ok(Reply::Now(Ok(done())));
    }
    let naming = naming.clone();
    Ok(Reply::later(async move {
        naming.deregister_persistent(&service, new.instance.key).await?;
        Ok(done())
    }))
}

/// Lays the values of a request over an instance, instead of all that were laid before.
pub(crate) fn update(naming: &Naming, ask: InstanceAsk, done: Done) -> Reply {
    let InstanceAsk { service, kind, new } = ask;
    let kind = kind.unwrap_or_else(|| naming.default_kind());
    let Instance { key, weight, enabled, metadata, .. } = new.instance;
    let values = Override { weight: Some(weight), enabled: Some(enabled), metadata };
    let naming = naming.clone();
    Reply::later(async move {
        let laid = naming.lay_over(&service, key, values).await;
        laid.map_err(|fault| match fault {
            Fault::ServiceMissing { service } => Refusal::ServiceOfInstanceAbsent { service, kind },
            other => other.into(),
        })?;
        Ok(done())
    })
}

/// Changes some of the values laid over an instance.
pub(crate) fn patch(naming: &Naming, ask: PatchAsk, done: Done) -> Result<Reply, Refusal> {
    let PatchAsk { instance: InstanceRef { service, key }, weight, enabled, metadata } = ask;
    instance(naming, &service, &key)?;
    let naming = naming.clone();
    Ok(Reply::later(async move {
        naming.patch(&service, key, InstancePatch { weight, enabled, metadata }).await?;
        Ok(done())
    }))
}

/// One instance, told apart from a service that has none.
///
/// # Errors
/// [`Refusal::NoInstances`] or [`Fault::InstanceMissing`].
pub(crate) fn instance(naming: &Naming, service: &ServiceKey, key: &InstanceKey) -> Result<Arc<Instance>, Refusal> {
    if naming.query(service).instances.is_empty() {
        let cluster = key.cluster.as_str().to_owned();
        return Err(Refusal::NoInstances { cluster, service: service.clone() });
    }
    Ok(naming.instance(service, key)?)
}

/// A sign of life.
pub(crate) fn beat(naming: &Naming, ask: BeatAsk) -> Answered {
    let BeatAsk { service, key, full } = ask;
    let outcome = match naming.beat(&service, &key, full)? {
        Beaten::Alive { interval } => {
            let interval_ms = interval.map(|interval| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX));
            BeatOutcome::Alive { interval_ms }
        }
        Beaten::Unknown => BeatOutcome::Unknown,
    };
    Ok(reply::json(beat::answer(outcome, &naming.switches())))
}

/// Creates a service.
pub(crate) fn create_service(naming: &Naming, ask: ServiceAsk, done: Done) -> Reply {
    let ServiceAsk { service, kind, protect_threshold, metadata, selector } = ask;
    let naming = naming.clone();
    Reply::later(async move {
        let settings = ServiceSettings { protect_threshold, metadata, selector };
        naming.create_service(&service, kind, settings).await?;
        Ok(done())
    })
}

/// Gives a service other settings.
pub(crate) fn update_service(naming: &Naming, ask: ServiceAsk, done: Done) -> Reply {
    let ServiceAsk { service, protect_threshold, metadata, selector, .. } = ask;
    let naming = naming.clone();
    Reply::later(async move {
        let settings = ServiceSettings { protect_threshold, metadata, selector };
        naming.update_service(&service, settings).await.map_err(absent)?;
        Ok(done())
    })
}

/// Deletes a service.
pub(crate) fn delete_service(naming: &Naming, service: ServiceKey, done: Done) -> Reply {
    let naming = naming.clone();
    Reply::later(async move {
        naming.delete_service(&service).await.map_err(absent)?;
        Ok(done())
    })
}

/// Who changes a service that is not there is told otherwise than who looks for it.
fn absent(fault: Fault) -> Refusal {
    match fault {
        Fault::ServiceMissing { service } => Refusal::ServiceAbsent { service },
        other => other.into(),
    }
}

/// Writes a service with its settings.
///
/// # Errors
/// [`Fault::ServiceMissing`].
pub(crate) fn service(
    naming: &Naming,
    key: &ServiceKey,
    write: impl FnOnce(&ServiceDetail<'_>) -> Vec<u8>,
) -> Result<Vec<u8>, Refusal> {
    let settings = naming.service_settings(key)?;
    let view = naming.query(key);
    let (instances, none) = (shown(&view), Metadata::default());
    let kind = settings.as_ref().map(|settings| settings.kind).or(view.kind);
    Ok(write(&ServiceDetail {
        key,
        protect_threshold: settings.as_ref().map_or(0.0, |settings| settings.protect_threshold),
        metadata: settings.as_ref().map_or(&none, |settings| &settings.metadata),
        selector: settings.as_ref().and_then(|settings| settings.selector.as_deref()),
        ephemeral: kind != Some(Kind::Persistent),
        clusters: &clusters(&instances, settings.as_deref()),
    }))
}

/// The clusters that have instances, with what is set for them. One without instances is not shown (recorded:
/// `v1/ns-cluster-update`, unknown cluster).
pub(crate) fn clusters<'a>(instances: &[&'a Instance], of: Option<&ServiceMetadata>) -> Vec<ShownCluster<'a>> {
    let settings = |name: &str| {
        let found = of.and_then(|of| of.clusters.iter().find(|(cluster, _)| cluster.as_str() == name));
        found.map_or_else(Arc::default, |(_, settings)| Arc::clone(settings))
    };
    clusters_of(instances).into_iter().map(|name| ShownCluster { name, settings: settings(name) }).collect()
}

/// The instances of a view, also disabled ones.
pub(crate) fn shown(view: &ServiceView) -> Vec<&Instance> {
    view.instances.iter().map(|instance| &**instance).collect()
}

/// The services of a list of operators, ordered. Cost: one pass over all services.
pub(crate) fn catalog(naming: &Naming, ask: &CatalogAsk) -> Vec<ServiceKey> {
    let mut services = naming.services(|key| {
        key.namespace == ask.namespace
            && matches(&ask.group, key.group.as_str())
            && matches(&ask.name, key.name.as_str())
    });
    if ask.ignore_empty {
        services.retain(|key| !naming.query(key).instances.is_empty());
    }
    services
}

/// A service as a list of operators shows it.
pub(crate) fn line<'a>(naming: &Naming, view: &'a ServiceView) -> ServiceLine<'a> {
    // A service that left the list meanwhile has no settings.
    let settings = naming.service_settings(&view.key).ok().flatten();
    ServiceLine {
        key: &view.key,
        instances: shown(view),
        ephemeral: view.kind != Some(Kind::Persistent),
        protect_threshold: settings.as_ref().map_or(0.0, |settings| settings.protect_threshold),
        metadata: settings.map_or_else(Metadata::default, |settings| settings.metadata.clone()),
    }
}

/// The naming use cases, for the rows that need nothing else.
pub(crate) fn cases(app: &App) -> Naming {
    app.naming.clone()
}
