//! From a target to endpoints: what a resolver is, and who resolves which scheme.
//!
//! A resolver is a future that runs as long as its channel is used and says what it finds through [`Updates`]. Only the
//! newest is kept: nobody waits for whoever reads, nothing queues, and a channel that sleeps for a day finds the last list.
//! A failure is told beside the list and never takes it away.

mod dns;
mod fixed;
mod listed;
mod nacos;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use nacrite_balance::Endpoint;
use tokio::sync::{Notify, watch};

pub use dns::DnsResolver;
pub use fixed::StaticResolver;
pub use nacos::NacosResolver;

use crate::target::{Target, TargetError};

/// What is known of a target. Each part is the newest that was told.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Resolution {
    /// Where the service is; `None` until it was found out for the first time. An empty list is an answer.
    pub endpoints: Option<Arc<[Arc<Endpoint>]>>,
    /// Why the newest attempt to find out failed; gone with the next list.
    pub trouble: Option<Arc<str>>,
    /// The service config that comes with it, as JSON.
    pub service_config: Option<Arc<str>>,
}

/// Where a resolver says what it finds, and hears when somebody wants to know anew.
#[derive(Clone, Debug)]
pub struct Updates {
    newest: watch::Sender<Resolution>,
    refresh: Arc<Notify>,
}

impl Updates {
    pub(crate) fn new() -> (Self, watch::Receiver<Resolution>) {
        let (newest, receiver) = watch::channel(Resolution::default());
        (Self { newest, refresh: Arc::default() }, receiver)
    }

    /// The service is here and nowhere else. The order is kept; of several at one address the first counts.
    pub fn endpoints(&self, endpoints: impl IntoIterator<Item = Endpoint>) {
        let endpoints = listed::list(endpoints);
        self.newest.send_if_modified(|known| {
            let is_new = known.endpoints.as_ref() != Some(&endpoints) || known.trouble.is_some();
            (known.endpoints, known.trouble) = (Some(endpoints), None);
            is_new
        });
    }

    /// It could not be found out where the service is. What was known before stays in use.
    pub fn failed(&self, why: impl Into<Arc<str>>) {
        let why = Some(why.into());
        self.newest.send_if_modified(|known| std::mem::replace(&mut known.trouble, why.clone()) != why);
    }

    /// Calls go by this service config, or by the channel's own if there is none.
    pub fn service_config(&self, json: Option<&str>) {
        self.newest.send_if_modified(|known| {
            let is_new = known.service_config.as_deref() != json;
            if is_new {
                known.service_config = json.map(Arc::from);
            }
            is_new
        });
    }

    /// Waits until a channel wants to know anew, because an endpoint was lost. May be ignored by who is told of changes.
    pub async fn refresh_wanted(&self) {
        self.refresh.notified().await;
    }

    /// Whether nothing is known of the target, and nobody but the channel is left to tell anything. `own` is how many clones
    /// the channel holds.
    pub(crate) fn is_mute(&self, own: usize) -> bool {
        let known = self.newest.borrow();
        known.endpoints.is_none() && known.trouble.is_none() && self.newest.sender_count() <= own
    }

    pub(crate) fn want_refresh(&self) {
        self.refresh.notify_one();
    }
}

/// Makes resolvers for one scheme.
pub trait ResolverFactory: fmt::Debug + Send + Sync {
    /// The scheme, in small letters.
    fn scheme(&self) -> &str;

    /// By what name the service is called: the `:authority` of every call, and the name that a certificate has to show.
    ///
    /// # Errors
    /// If the target is none of this scheme.
    fn authority(&self, target: &Target) -> Result<String, TargetError>;

    /// Checks the target, and describes how to follow it. The future is first polled when the channel is used for the first
    /// time, and is dropped with the channel.
    ///
    /// # Errors
    /// If the target is none of this scheme.
    fn resolve(&self, target: &Target, updates: Updates) -> Result<BoxFuture<'static, ()>, TargetError>;
}

/// Who resolves which scheme.
#[derive(Clone, Debug)]
pub struct ResolverRegistry {
    factories: BTreeMap<String, Arc<dyn ResolverFactory>>,
    default_scheme: String,
}

impl Default for ResolverRegistry {
    /// `dns`, which is also what targets without a scheme get, and `static`.
    fn default() -> Self {
        let registry = Self { factories: BTreeMap::new(), default_scheme: "dns".to_owned() };
        registry.with(DnsResolver::default()).with(StaticResolver)
    }
}

impl ResolverRegistry {
    /// Adds a scheme. One that is there already is replaced.
    #[must_use]
    pub fn with(mut self, factory: impl ResolverFactory + 'static) -> Self {
        self.factories.insert(factory.scheme().to_owned(), Arc::new(factory));
        self
    }

    /// The scheme of targets that name none.
    #[must_use]
    pub fn default_scheme(mut self, scheme: impl Into<String>) -> Self {
        self.default_scheme = scheme.into();
        self
    }

    /// Reads a target and finds who resolves it.
    ///
    /// # Errors
    /// If the text is no target, or nobody does.
    pub fn find(&self, target: &str) -> Result<(Target, Arc<dyn ResolverFactory>), TargetError> {
        let target = Target::parse(target, &self.default_scheme, |scheme| self.factories.contains_key(scheme))?;
        let Some(factory) = self.factories.get(target.scheme()) else {
            let known: Vec<&str> = self.factories.keys().map(String::as_str).collect();
            let scheme = target.scheme().to_owned();
            return Err(target.wrong(format!("has the scheme {scheme:?}; there are {}", known.join(", "))));
        };
        Ok((target, Arc::clone(factory)))
    }
}

/// `host:port`, as it stands in a URI.
pub(crate) fn authority_of(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_leave_the_list_and_a_list_ends_the_failure() {
        let (updates, mut receiver) = Updates::new();
        updates.endpoints([Endpoint::new("a", 1)]);
        updates.failed("no server");
        updates.service_config(Some("{}"));
        let known = receiver.borrow_and_update().clone();
        assert_eq!(known.endpoints.map(|list| list.len()), Some(1));
        assert_eq!((known.trouble.as_deref(), known.service_config.as_deref()), (Some("no server"), Some("{}")));
        updates.endpoints([Endpoint::new("a", 1)]);
        assert!(receiver.has_changed().is_ok_and(|changed| changed), "the failure is over");
        assert_eq!(receiver.borrow_and_update().trouble, None);
        updates.endpoints([Endpoint::new("a", 1)]);
        assert!(receiver.has_changed().is_ok_and(|changed| !changed), "nobody is woken for what is known");
    }

    #[test]
    fn a_scheme_of_ones_own_is_found_and_may_be_the_default() {
        #[derive(Debug)]
        struct Own;
        impl ResolverFactory for Own {
            fn scheme(&self) -> &str {
                "own"
            }
            fn authority(&self, target: &Target) -> Result<String, TargetError> {
                Ok(target.to_string())
            }
            fn resolve(&self, _: &Target, _: Updates) -> Result<BoxFuture<'static, ()>, TargetError> {
                Ok(Box::pin(std::future::pending()))
            }
        }
        let registry = ResolverRegistry::default().with(Own).default_scheme("own");
        for text in ["own:///x", "x"] {
            assert_eq!(registry.find(text).expect("a resolver").1.scheme(), "own");
        }
        assert!(ResolverRegistry::default().find("own:///x").is_err());
        let error = ResolverRegistry::default().default_scheme("gone").find("x").expect_err("no resolver");
        assert!(error.to_string().contains("dns, static"), "{error}");
    }
}
