//! Locks, and what operators do.

use std::sync::Arc;
use std::time::Duration;

use nacrite_client::Error;
use nacrite_client::maintainer::{NamespaceSettings, ServiceSettings};

use crate::target::Target;
use crate::{Outcome, PATIENCE};

pub(crate) async fn a_lock_is_held_by_one(target: Arc<Target>) -> Outcome {
    let (one, other) = (target.client(), target.client());
    let (locks, others) = (one.locks(), other.locks());
    let key = target.named("lock");
    let lease = Duration::from_secs(60);
    match locks.acquire(&key, lease).await {
        Err(error) => return Outcome::of(&error),
        Ok(is_held) => assert!(is_held),
    }
    assert!(!others.acquire(&key, lease).await.expect("an answer"));
    assert!(locks.release(&key).await.expect("an answer"));
    assert!(others.acquire(&key, lease).await.expect("an answer"));
    assert!(others.release(&key).await.expect("an answer"));
    assert!(one.close_within(PATIENCE).await && other.close_within(PATIENCE).await);
    Outcome::Passed
}

pub(crate) async fn a_service_is_created_and_removed(target: Arc<Target>) -> Outcome {
    let client = target.client();
    let operator = client.maintainer();
    let name = target.named("created");
    let settings = ServiceSettings { protect_threshold: 0.5, ..Default::default() };
    if let Err(error) = operator.create_service(&*name, &settings).await {
        return Outcome::of(&error);
    }
    let shown = operator.service(&*name).await.expect("it is there");
    assert!((shown.protect_threshold - 0.5).abs() < f64::EPSILON, "{shown:?}");
    operator.remove_service(&*name).await.expect("removed");
    assert!(operator.service(&*name).await.is_err(), "it is still there");
    assert!(client.close_within(PATIENCE).await);
    Outcome::Passed
}

pub(crate) async fn a_namespace_is_created_and_removed(target: Arc<Target>) -> Outcome {
    let client = target.client();
    let operator = client.maintainer();
    let id = target.named("created");
    let settings = NamespaceSettings { name: "made by the suite".to_owned(), ..Default::default() };
    match operator.create_namespace(&id, &settings).await {
        Err(error @ Error::Unsupported(_)) => return Outcome::of(&error),
        created => created.expect("it is created"),
    }
    let has = async || operator.namespaces().await.expect("a list").iter().any(|shown| shown.id == id);
    assert!(has().await);
    operator.remove_namespace(&id).await.expect("removed");
    assert!(!has().await);
    assert!(client.close_within(PATIENCE).await);
    Outcome::Passed
}
