//! `nacos:///service?group=G&cluster=C`: instances of a service that a registry keeps, followed by push.
//!
//! The whole form is `nacos://[namespace@]registry/group/service?…`. What an instance
//! becomes is decided in `mapping`; what is asked for in `service`. A registry that does not answer takes nothing away: its
//! last list stays in use, and the reason is told beside it.

mod mapping;
mod service;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use nacrite_client::Client;
use nacrite_client::config::Listening;
use nacrite_client::naming::{Instances, Selector, Service, Subscription, SubscriptionState};
use tracing::warn;

use super::{ResolverFactory, Updates};
use crate::target::{Target, TargetError};
use service::Wanted;

/// Resolves services of Nacos-compatible registries through clients of theirs.
///
/// ```no_run
/// # fn example(client: nacrite_client::Client, backup: nacrite_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use nacrite_tonic::{Channel, NacosResolver};
///
/// let resolver = NacosResolver::new(client).with("dev@backup", backup);
/// let orders = Channel::builder("nacos:///orders?group=SHOP").resolver(resolver.clone()).build()?;
/// let stock = Channel::builder("nacos://dev@backup/SHOP/stock").resolver(resolver).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct NacosResolver {
    clients: BTreeMap<String, Client>,
}

impl fmt::Debug for NacosResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NacosResolver").field("registries", &self.clients.keys()).finish()
    }
}

impl NacosResolver {
    /// Targets that name no registry are looked for here, in the namespace of this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { clients: BTreeMap::from([(String::new(), client)]) }
    }

    /// Targets with this between `//` and the next `/` are looked for there: `registry`, or `namespace@registry`. The client
    /// decides the namespace; the name is for telling clients apart.
    #[must_use]
    pub fn with(mut self, authority: impl Into<String>, client: Client) -> Self {
        self.clients.insert(authority.into(), client);
        self
    }

    fn client(&self, target: &Target) -> Result<Client, TargetError> {
        let client = self.clients.get(target.authority());
        client.cloned().ok_or_else(|| {
            target.wrong(format!("names the registry {:?}, for which there is no client", target.authority()))
        })
    }
}

impl ResolverFactory for NacosResolver {
    fn scheme(&self) -> &str {
        "nacos"
    }

    fn authority(&self, target: &Target) -> Result<String, TargetError> {
        Wanted::read(target).map(|wanted| wanted.authority())
    }

    fn resolve(&self, target: &Target, updates: Updates) -> Result<BoxFuture<'static, ()>, TargetError> {
        let (client, wanted) = (self.client(target)?, Wanted::read(target)?);
        Ok(Box::pin(follow(client, wanted, updates)))
    }
}

/// How long the first list waits for the config item that says how the service is called. Configs are pushed by the same
/// servers as lists; one that does not come within this time is not there.
const CONFIG_WITHIN: Duration = Duration::from_secs(3);

/// How long calls wait for the first list before they are told that there is no registry. It is waited for all the same.
const LIST_WITHIN: Duration = Duration::from_secs(3);

/// Follows the service, and the config item that says how it is called. The item comes first, if it can: calls that began
/// before it would go by other rules.
async fn follow(client: Client, wanted: Wanted, updates: Updates) {
    let Some(name) = &wanted.config else {
        return follow_instances(&client, &wanted, &updates).await;
    };
    let mut listening = match client.config().listen(name).await {
        Ok(listening) => listening,
        Err(error) => {
            warn!(%name, %error, "the config item of a channel cannot be listened to");
            return follow_instances(&client, &wanted, &updates).await;
        }
    };
    if tokio::time::timeout(CONFIG_WITHIN, hear(&mut listening, &updates)).await.is_err() {
        warn!(%name, "the config item of a channel is not known yet; calls begin without it");
    }
    let config = async { while hear(&mut listening, &updates).await {} };
    tokio::join!(follow_instances(&client, &wanted, &updates), config);
}

/// Hears what the config item says. What it said last stays while it cannot be read; a text that is no service config is for
/// the channel to refuse, which keeps its last good one. Returns whether there is more to come.
async fn hear(listening: &mut Listening, updates: &Updates) -> bool {
    match listening.changed().await {
        Ok(config) => updates.service_config(config.as_ref().map(|config| &*config.content)),
        Err(nacrite_client::Error::Closed) => return false,
        Err(error) => {
            let name = listening.name();
            warn!(%name, %error, "the config item of a channel cannot be read; what it said last counts");
        }
    }
    true
}

async fn follow_instances(client: &Client, wanted: &Wanted, updates: &Updates) {
    let service = Service::new(&wanted.service);
    let service = wanted.group.as_deref().map_or(service, |group| service.in_group(group));
    let selector = Selector::default().clusters(&wanted.clusters);
    let mut subscription = match client.naming().subscribe(service, selector) {
        Ok(subscription) => subscription,
        // Nothing will change it: calls are told why, and the channel lives on as one that leads nowhere.
        Err(error) => return updates.failed(error.to_string()),
    };
    if let Err(error) = subscription.resolved(LIST_WITHIN).await {
        updates.failed(format!("the registry does not answer: {error}"));
    }
    let mut state = subscription.state();
    let mut has_list = false;
    loop {
        tokio::select! {
            biased;
            change = subscription.changed() => {
                let Some(change) = change else { break };
                tell(&change.instances, wanted, updates);
                has_list = true;
            }
            changed = state.changed() => if changed.is_err() { break },
        }
        // The reason stands beside the list, not in its place.
        match trouble(&state.borrow_and_update()) {
            Some(why) => updates.failed(why),
            None if has_list => again(&subscription, wanted, updates),
            None => {}
        }
    }
    updates.failed("the client of the registry was closed");
}

/// Why the registry does not tell of changes now.
fn trouble(state: &SubscriptionState) -> Option<String> {
    match state {
        SubscriptionState::Retrying { reason, .. } => Some(format!("the registry does not answer: {reason}")),
        SubscriptionState::Refused { reason } => Some(format!("the registry refuses: {reason}")),
        _ => None,
    }
}

/// The registry is back and its list is the one that was known: the trouble is over.
fn again(subscription: &Subscription, wanted: &Wanted, updates: &Updates) {
    if let Some(instances) = subscription.current() {
        tell(&instances, wanted, updates);
    }
}

fn tell(instances: &Instances, wanted: &Wanted, updates: &Updates) {
    updates.endpoints(mapping::endpoints(instances, wanted));
    if wanted.config.is_none() {
        updates.service_config(mapping::service_config(instances));
    }
}
