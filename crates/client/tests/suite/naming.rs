//! Services and instances.

use std::collections::BTreeSet;
use std::sync::Arc;

use nacrite_client::naming::{Change, Instance, Selector, Service, ServiceWatch, Subscription};
use nacrite_client::{Client, Error};

use crate::target::Target;
use crate::{Outcome, PATIENCE};

fn ports<'a>(instances: impl IntoIterator<Item = &'a Arc<Instance>>) -> Vec<u16> {
    let mut ports: Vec<_> = instances.into_iter().map(|instance| instance.port()).collect();
    ports.sort_unstable();
    ports
}

/// Waits until a subscriber has been told of these, and returns the change that told it.
pub(crate) async fn told(subscription: &mut Subscription, expected: &[u16]) -> Change {
    let (state, mut seen) = (subscription.state(), Vec::new());
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let change = subscription.changed().await.expect("the client is open");
            seen = ports(change.instances.iter());
            if seen == expected {
                return change;
            }
        }
    });
    let told = waited.await;
    told.unwrap_or_else(|_| panic!("{expected:?} is not told, but {seen:?} ({:?})", *state.borrow()))
}

/// Asks until the server says this: not every server shows at once what it has taken.
async fn found(client: &Client, service: Service<'_>, expected: &[u16]) {
    let asked = tokio::time::timeout(PATIENCE, async {
        while ports(client.naming().query(service).await.expect("a list").iter()) != expected {
            tokio::task::yield_now().await;
        }
    });
    asked.await.unwrap_or_else(|_| panic!("{expected:?} is not found in {service:?}"));
}

fn instance(port: u16) -> nacrite_client::naming::InstanceBuilder {
    Instance::builder("10.0.0.1", port)
}

async fn end(clients: [Client; 2]) {
    for client in clients {
        assert!(client.close_within(PATIENCE).await, "something was not confirmed");
    }
}

pub(crate) async fn an_instance_is_registered_and_found_as_it_was_described(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("described");
    let described = instance(80).weight(2.5).cluster("EAST").metadata("version", "7");
    provider.naming().register(&*name, described).await.expect("it registers");
    found(&consumer, (&*name).into(), &[80]).await;
    let list = consumer.naming().query(&*name).await.expect("a list");
    let shown = list.iter().next().expect("it is there");
    assert_eq!((shown.ip(), shown.weight(), shown.cluster()), ("10.0.0.1", 2.5, "EAST"));
    assert!(shown.is_healthy() && shown.is_enabled() && shown.is_ephemeral());
    assert_eq!(shown.metadata().get("version").map(AsRef::as_ref), Some("7"));
    provider.naming().deregister(&*name, instance(80).cluster("EAST")).await.expect("it deregisters");
    found(&consumer, (&*name).into(), &[]).await;
    end([provider, consumer]).await;
    Outcome::Passed
}

pub(crate) async fn instances_of_one_client_are_a_set(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("set");
    let first = provider.naming().register(&*name, instance(80)).await.expect("it registers");
    provider.naming().register(&*name, instance(81)).await.expect("it registers");
    found(&consumer, (&*name).into(), &[80, 81]).await;
    first.deregister().await.expect("it deregisters");
    found(&consumer, (&*name).into(), &[81]).await;
    provider.naming().deregister_all(&*name).await.expect("they deregister");
    found(&consumer, (&*name).into(), &[]).await;
    end([provider, consumer]).await;
    Outcome::Passed
}

pub(crate) async fn many_instances_are_registered_at_once(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("batch");
    let ports: Vec<u16> = (1000..1100).collect();
    let batch = ports.iter().map(|port| instance(*port));
    let registrations = provider.naming().register_all(&*name, batch).await.expect("they register");
    assert_eq!(registrations.len(), ports.len());
    found(&consumer, (&*name).into(), &ports).await;
    registrations[0].deregister().await.expect("it deregisters");
    found(&consumer, (&*name).into(), &ports[1..]).await;
    end([provider, consumer]).await;
    Outcome::Passed
}

pub(crate) async fn subscribers_are_told_what_is_different(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("subscribed");
    let mut subscription = consumer.naming().subscribe(&*name, Selector::default()).expect("a name");
    let first = told(&mut subscription, &[]).await;
    assert!(first.added.is_empty() && first.removed.is_empty(), "{first:?}");
    provider.naming().register(&*name, instance(80)).await.expect("it registers");
    assert_eq!(ports(&told(&mut subscription, &[80]).await.added), [80]);
    let second = provider.naming().register(&*name, instance(81)).await.expect("it registers");
    assert_eq!(ports(&told(&mut subscription, &[80, 81]).await.added), [81]);
    second.deregister().await.expect("it deregisters");
    assert_eq!(ports(&told(&mut subscription, &[80]).await.removed), [81]);
    provider.close_within(PATIENCE).await;
    assert_eq!(ports(&told(&mut subscription, &[]).await.removed), [80]);
    consumer.close_within(PATIENCE).await;
    assert!(subscription.changed().await.is_none(), "it ends with its client");
    Outcome::Passed
}

pub(crate) async fn weight_and_metadata_change(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("changed");
    let registration = provider.naming().register(&*name, instance(80)).await.expect("it registers");
    let mut subscription = consumer.naming().subscribe(&*name, Selector::default()).expect("a name");
    told(&mut subscription, &[80]).await;
    registration.update(|was| was.weight(0.5).metadata("colour", "blue")).await.expect("it changes");
    let change = told(&mut subscription, &[80]).await;
    let modified = change.modified.first().expect("it is told as a change");
    assert_eq!((modified.weight(), change.added.len(), change.removed.len()), (0.5, 0, 0));
    assert_eq!(modified.metadata().get("colour").map(AsRef::as_ref), Some("blue"));
    end([provider, consumer]).await;
    Outcome::Passed
}

pub(crate) async fn a_disabled_instance_is_not_chosen(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("disabled");
    let registration = provider.naming().register(&*name, instance(80)).await.expect("it registers");
    let mut subscription = consumer.naming().subscribe(&*name, Selector::default()).expect("a name");
    told(&mut subscription, &[80]).await;
    assert!(consumer.naming().select_one(&*name).await.expect("a list").is_some());
    registration.update(|was| was.enabled(false)).await.expect("it changes");
    // Some servers show it as disabled, others show it no more.
    tokio::time::timeout(PATIENCE, subscription.changed()).await.expect("a change").expect("the client is open");
    assert!(consumer.naming().select_one(&*name).await.expect("a list").is_none());
    end([provider, consumer]).await;
    Outcome::Passed
}

pub(crate) async fn groups_are_apart(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("grouped");
    let (one, other) = (Service::new(&name).in_group("ONE"), Service::new(&name).in_group("OTHER"));
    provider.naming().register(one, instance(80)).await.expect("it registers");
    provider.naming().register(other, instance(81)).await.expect("it registers");
    found(&consumer, one, &[80]).await;
    found(&consumer, other, &[81]).await;
    found(&consumer, (&*name).into(), &[]).await;
    end([provider, consumer]).await;
    Outcome::Passed
}

pub(crate) async fn namespaces_are_apart(target: Arc<Target>) -> Outcome {
    let (public, other) = (target.client(), target.client_in("suite"));
    let name = target.named("spaced");
    public.naming().register(&*name, instance(80)).await.expect("it registers");
    other.naming().register(&*name, instance(81)).await.expect("it registers");
    found(&public, (&*name).into(), &[80]).await;
    found(&other, (&*name).into(), &[81]).await;
    end([public, other]).await;
    Outcome::Passed
}

pub(crate) async fn clusters_are_chosen_from(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("clustered");
    let all = [instance(80).cluster("EAST"), instance(81).cluster("WEST")];
    provider.naming().register_all(&*name, all).await.expect("they register");
    let mut east = consumer.naming().subscribe(&*name, Selector::default().clusters(["EAST"])).expect("a name");
    let mut both = consumer.naming().subscribe(&*name, Selector::default()).expect("a name");
    told(&mut east, &[80]).await;
    told(&mut both, &[80, 81]).await;
    end([provider, consumer]).await;
    Outcome::Passed
}

pub(crate) async fn subscribers_are_independent(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("shared");
    let first = consumer.naming().subscribe(&*name, Selector::default()).expect("a name");
    let mut second = consumer.naming().subscribe(&*name, Selector::default()).expect("a name");
    told(&mut second, &[]).await;
    drop(first);
    provider.naming().register(&*name, instance(80)).await.expect("it registers");
    told(&mut second, &[80]).await;
    drop(second);
    // Whoever comes back at once sees the list all the same.
    let mut third = consumer.naming().subscribe(&*name, Selector::default()).expect("a name");
    told(&mut third, &[80]).await;
    end([provider, consumer]).await;
    Outcome::Passed
}

pub(crate) async fn metadata_may_be_in_any_script(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("scripts");
    let text = "größe=大 🦀 \"quoted\" \\ and\ttabs";
    provider.naming().register(&*name, instance(80).metadata("Стиль", text)).await.expect("it registers");
    found(&consumer, (&*name).into(), &[80]).await;
    let list = consumer.naming().query(&*name).await.expect("a list");
    let shown = list.iter().next().expect("it is there");
    assert_eq!(shown.metadata().get("Стиль").map(AsRef::as_ref), Some(text));
    end([provider, consumer]).await;
    Outcome::Passed
}

pub(crate) async fn a_dropped_client_takes_its_instances_along(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("dropped");
    let mut subscription = consumer.naming().subscribe(&*name, Selector::default()).expect("a name");
    provider.naming().register(&*name, instance(80)).await.expect("it registers");
    told(&mut subscription, &[80]).await;
    drop(provider);
    told(&mut subscription, &[]).await;
    assert!(consumer.close_within(PATIENCE).await);
    Outcome::Passed
}

pub(crate) async fn services_are_listed_page_by_page(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let group = target.named("LISTED");
    let names: BTreeSet<String> = (0..7).map(|nth| format!("listed-{nth}")).collect();
    for name in &names {
        let service = Service::new(name).in_group(&group);
        provider.naming().register(service, instance(80)).await.expect("it registers");
    }
    let listed = async {
        let mut all: BTreeSet<String> = BTreeSet::new();
        while all != names {
            all = consumer.naming().all_services(&group).await.expect("a list").into_iter().collect();
        }
    };
    tokio::time::timeout(PATIENCE, listed).await.expect("all are listed");
    let mut paged = Vec::new();
    for page_no in 1..=3 {
        let page = consumer.naming().services(&group, page_no, 3).await.expect("a page");
        assert_eq!(page.count, names.len() as u64);
        paged.extend(page.names);
    }
    assert_eq!(paged.len(), names.len(), "{paged:?}");
    assert_eq!(paged.into_iter().collect::<BTreeSet<_>>(), names);
    end([provider, consumer]).await;
    Outcome::Passed
}

pub(crate) async fn services_are_watched_by_pattern(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("watched");
    let mut watch = consumer.naming().watch_services("DEFAULT_GROUP", &format!("{name}*")).expect("a pattern");
    match watch.active(PATIENCE).await {
        Err(error @ (Error::Unsupported(_) | Error::Deadline { .. })) => {
            end([provider, consumer]).await;
            return match error {
                Error::Unsupported(_) => Outcome::of(&error),
                _ => panic!("{error}"),
            };
        }
        active => active.expect("it is confirmed"),
    }
    let (first, second) = (format!("{name}-a"), format!("{name}-b"));
    provider.naming().register(&*first, instance(80)).await.expect("it registers");
    provider.naming().register(&*second, instance(80)).await.expect("it registers");
    watched(&mut watch, &[&first, &second]).await;
    let mut late = consumer.naming().watch_services("DEFAULT_GROUP", &format!("*{name}-b")).expect("a pattern");
    watched(&mut late, &[&second]).await;
    provider.naming().deregister_all(&*second).await.expect("it deregisters");
    watched(&mut watch, &[&first]).await;
    watched(&mut late, &[]).await;
    end([provider, consumer]).await;
    Outcome::Passed
}

/// Waits until a watcher has been told of these services, in order.
pub(crate) async fn watched(watch: &mut ServiceWatch, expected: &[&str]) {
    let mut seen = Vec::new();
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let change = watch.changed().await.expect("the client is open");
            seen = change.services.iter().map(|service| service.name.as_str().to_owned()).collect();
            if seen == expected {
                return;
            }
        }
    });
    let told = waited.await;
    told.unwrap_or_else(|_| panic!("{expected:?} is not told, but {seen:?}"));
}

pub(crate) async fn a_persistent_instance_outlives_its_client(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let name = target.named("persistent");
    let registered = provider.naming().register(&*name, instance(80).persistent()).await;
    let registration = match registered {
        Err(error) => return Outcome::of(&error),
        Ok(registration) => registration,
    };
    found(&consumer, (&*name).into(), &[80]).await;
    let list = consumer.naming().query(&*name).await.expect("a list");
    let is_persistent = list.iter().all(|instance| !instance.is_ephemeral());
    registration.update(|was| was.weight(3.0)).await.expect("it changes");
    assert!(provider.close_within(PATIENCE).await);
    let shown = consumer.naming().query(&*name).await.expect("a list");
    assert_eq!(ports(shown.iter()), [80], "it has gone with its client");
    consumer.naming().deregister(&*name, instance(80).persistent()).await.expect("it deregisters");
    found(&consumer, (&*name).into(), &[]).await;
    assert!(consumer.close_within(PATIENCE).await);
    if !is_persistent {
        return Outcome::Unsupported("the server keeps it, but shows it as ephemeral".to_owned());
    }
    Outcome::Passed
}
