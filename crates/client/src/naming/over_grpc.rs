//! Asks a server over gRPC for what the redo wants, on one connection only.

use std::sync::Arc;

use nacrite_base::ServiceKey;
use nacrite_wire::client::{Module, fuzzy, naming as wire};
use nacrite_wire::codes::rpc;

use super::desired::{Job, What};
use super::fuzzy::{Pattern, known_key};
use super::instance::Instance;
use super::publication::{Form, Publish, Replace, Set};
use super::shared::Shared;
use super::wish::Outcome;
use crate::error::Error;
use crate::link::{Link, Resource};
use crate::session::Abilities;

/// The operation by which servers that replace no sets are told who is gone. Nacos does not know it.
const BATCH_DEREGISTER: &str = "deregisterInstance";

pub(super) async fn ask(shared: &Shared, link: &Link, job: Job) -> (Job, Outcome) {
    let outcome = match &job.what {
        What::Publish(service, Publish::Put(replace)) => put(shared, link, &job, service, replace).await,
        What::Publish(service, Publish::Take(last)) => take(shared, link, &job, service, last).await,
        What::Subscribe(service) => subscribe(shared, link, &job, service).await,
        What::Unsubscribe(service) => Outcome::of(ask_subscription(shared, link, &job, service, false).await),
        What::Watch(pattern) => watch(shared, link, &job, pattern).await,
        What::CancelWatch(pattern) => Outcome::of(ask_watch(shared, link, &job, pattern, fuzzy::CANCEL_WATCH).await),
    };
    (job, outcome)
}

/// What a request about a service is signed for.
pub(super) fn resource(service: &ServiceKey) -> Resource<'_> {
    let ServiceKey { namespace, group, name } = service;
    Resource { module: Module::Naming, namespace: namespace.as_str(), group: group.as_str(), name: name.as_str() }
}

async fn put(shared: &Shared, link: &Link, job: &Job, service: &ServiceKey, replace: &Replace) -> Outcome {
    let within = shared.settings.request_within;
    // Before the new set: the connection holds nothing of the service yet that this could take away.
    let taken = take(shared, link, job, service, &replace.left).await;
    if matches!(taken, Outcome::Failed(_)) {
        return taken;
    }
    let done = match (replace.form, replace.set.values().next()) {
        (Form::Single, Some(instance)) => {
            let request = request(service, wire::REGISTER, instance);
            Outcome::of(link.ask_in(job.generation, &request, resource(service), within).await)
        }
        _ => {
            let request = batch(service, wire::BATCH_REGISTER, replace.set.values());
            Outcome::of(link.ask_in(job.generation, &request, resource(service), within).await)
        }
    };
    let dropped: Vec<_> = replace.dropped().collect();
    if !matches!(done, Outcome::Done) || dropped.is_empty() || tells_abilities(link) {
        return done;
    }
    // Nacos has replaced the set and refuses this; r-nacos, which has only added to it, does it.
    let request = batch(service, BATCH_DEREGISTER, dropped.into_iter());
    match Outcome::of(link.ask_in(job.generation, &request, resource(service), within).await) {
        failed @ Outcome::Failed(_) => failed,
        Outcome::Done | Outcome::Refused(_) => Outcome::Done,
    }
}

/// Whether the server is a Nacos, or as good as one: others do not tell what they can do.
fn tells_abilities(link: &Link) -> bool {
    link.session().borrow().as_ref().is_some_and(|session| session.abilities != Abilities::default())
}

fn request<'a>(service: &'a ServiceKey, operation: &'a str, instance: &'a Instance) -> wire::InstanceRequest<'a> {
    wire::InstanceRequest {
        namespace: service.namespace.as_str(),
        service_name: service.name.as_str(),
        group_name: service.group.as_str(),
        operation,
        instance: instance.body(),
    }
}

fn batch<'a>(
    service: &'a ServiceKey,
    operation: &'a str,
    instances: impl Iterator<Item = &'a Instance>,
) -> wire::BatchInstanceRequest<'a> {
    wire::BatchInstanceRequest {
        namespace: service.namespace.as_str(),
        service_name: service.name.as_str(),
        group_name: service.group.as_str(),
        operation,
        instances: instances.map(Instance::body).collect(),
    }
}

/// A server drops all that the connection has of the service, whichever instance is named. Others may go by the name:
/// what was held is named one by one.
async fn take(shared: &Shared, link: &Link, job: &Job, service: &ServiceKey, last: &Set) -> Outcome {
    let within = shared.settings.request_within;
    for instance in last.values() {
        let request = request(service, wire::DEREGISTER, instance);
        let answer = link.ask_in(job.generation, &request, resource(service), within).await;
        if let failed @ (Outcome::Failed(_) | Outcome::Refused(_)) = Outcome::of(answer) {
            return failed;
        }
    }
    Outcome::Done
}

async fn subscribe(shared: &Shared, link: &Link, job: &Job, service: &ServiceKey) -> Outcome {
    match ask_subscription(shared, link, job, service, true).await {
        Ok(wire::SubscribeServiceResponse { service_info: Some(info), .. }) if info.hosts.is_some() => {
            shared.learn(job.generation, service, info);
            Outcome::Done
        }
        Ok(_) => Outcome::of::<()>(Err(Error::Undecodable("it has no list of instances".to_owned()))),
        Err(error) => Outcome::of::<()>(Err(error)),
    }
}

async fn ask_subscription(
    shared: &Shared,
    link: &Link,
    job: &Job,
    service: &ServiceKey,
    subscribe: bool,
) -> Result<wire::SubscribeServiceResponse, Error> {
    let request = wire::SubscribeServiceRequest {
        namespace: service.namespace.as_str(),
        service_name: service.name.as_str(),
        group_name: service.group.as_str(),
        subscribe,
        // Interests differ between subscribers of one service; the list is whole, and each filters for himself.
        clusters: "",
    };
    link.ask_in(job.generation, &request, resource(service), shared.settings.request_within).await
}

async fn watch(shared: &Shared, link: &Link, job: &Job, pattern: &Pattern) -> Outcome {
    let able = link.session().borrow().as_ref().is_some_and(|session| {
        session.generation == job.generation && session.abilities.has(fuzzy::ABILITY) == Some(true)
    });
    if !able {
        let what = "watching services by pattern".to_owned();
        return Outcome::Refused(Arc::new(Error::Unsupported(what)));
    }
    let answer = ask_watch(shared, link, job, pattern, fuzzy::WATCH).await;
    let code = match &answer {
        Err(Error::Refused { code, .. }) => *code,
        _ => 0,
    };
    if code == i64::from(rpc::FUZZY_PATTERNS_FULL) {
        // Others may give up theirs: it is tried again, but not soon.
        let busy = Error::Busy("it watches as many patterns as it may".to_owned());
        return Outcome::Failed(Arc::new(busy));
    }
    let limited = code == i64::from(rpc::FUZZY_MATCHES_FULL);
    if limited || answer.is_ok() {
        shared.with_book(|book| book.watched.limit(pattern, limited));
        return Outcome::Done;
    }
    Outcome::of(answer)
}

async fn ask_watch(
    shared: &Shared,
    link: &Link,
    job: &Job,
    pattern: &Pattern,
    watch_type: &str,
) -> Result<fuzzy::NamingFuzzyWatchResponse, Error> {
    let known = shared.with_book(|book| book.watched.known(pattern)).unwrap_or_default();
    let request = fuzzy::NamingFuzzyWatchRequest {
        namespace: shared.namespace.as_str(),
        group_key_pattern: &pattern.to_string(),
        received_group_keys: known.services.iter().map(known_key).collect(),
        watch_type,
        initializing: !known.complete,
    };
    let resource = Resource { module: Module::Naming, namespace: shared.namespace.as_str(), group: "", name: "" };
    link.ask_in(job.generation, &request, resource, shared.settings.request_within).await
}
