//! What operators do: services and namespaces are created, changed, looked at and removed; instances are overruled;
//! configs are listed.
//!
//! Over HTTP. A server of the third generation refuses the words of the first one and says so; from then on it is spoken to
//! in its own.

mod answers;
mod configs;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nacrite_base::{NamespaceId, ServiceKey};
use nacrite_wire::client::Module;

pub use answers::{NamespaceShown, ServiceShown};

use crate::error::Error;
use crate::http::naming::HttpNaming;
use crate::http::{Call, Proxy, Reply};
use crate::link::Resource;
use crate::naming::{Instance, Service};

const SERVICE: [&str; 2] = ["/v1/ns/service", "/v3/admin/ns/service"];
const NAMESPACE: [&str; 2] = ["/v1/console/namespaces", "/v3/admin/core/namespace"];
const NAMESPACES: [&str; 2] = ["/v1/console/namespaces", "/v3/admin/core/namespace/list"];

/// What an operator says about a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceSettings {
    /// If the healthy share of its instances is this or less, from 0 to 1, all are shown as healthy. 0 for never.
    pub protect_threshold: f64,
    /// Texts.
    pub metadata: BTreeMap<String, String>,
}

/// What an operator says about a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceSettings {
    /// How it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
}

/// In whose words the servers are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    First,
    Third,
}

/// The calls of operators. Clones share everything. Each takes at most as long as a call of the client may take
/// ([`NamingSettings::request_within`](crate::naming::NamingSettings::request_within)).
///
/// ```no_run
/// # async fn example(client: nacrite_client::Client) -> Result<(), nacrite_client::Error> {
/// use nacrite_client::maintainer::ServiceSettings;
///
/// let operator = client.maintainer();
/// let settings = ServiceSettings { protect_threshold: 0.5, ..ServiceSettings::default() };
/// operator.create_service("shop@@orders", &settings).await?;
/// for namespace in operator.namespaces().await? {
///     println!("{namespace:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Maintainer {
    proxy: Proxy,
    naming: HttpNaming,
    namespace: NamespaceId,
    within: Duration,
    speaks_third: Arc<AtomicBool>,
}

impl fmt::Debug for Maintainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maintainer").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Maintainer {
    /// Speaks of the services of `namespace`; each request takes at most `within`.
    pub(crate) fn new(proxy: Proxy, naming: HttpNaming, namespace: NamespaceId, within: Duration) -> Self {
        Self { proxy, naming, namespace, within, speaks_third: Arc::default() }
    }

    /// Creates a service that stays when its last instance goes.
    ///
    /// # Errors
    /// [`Error::Refused`] if it exists; [`Error::Invalid`] for a name that cannot be.
    pub async fn create_service(
        &self,
        service: impl Into<Service<'_>>,
        settings: &ServiceSettings,
    ) -> Result<(), Error> {
        let (key, metadata) = (service.into().key(&self.namespace)?, settings.metadata()?);
        let described = |call| settings.add_to(name(call, &key), &metadata);
        self.change(&key, |path, _| described(Call::post(path)).once()).await
    }

    /// Changes a service: everything that is said about it is replaced.
    ///
    /// # Errors
    /// [`Error::Refused`] if it does not exist; [`Error::Invalid`] for a name that cannot be.
    pub async fn update_service(
        &self,
        service: impl Into<Service<'_>>,
        settings: &ServiceSettings,
    ) -> Result<(), Error> {
        let (key, metadata) = (service.into().key(&self.namespace)?, settings.metadata()?);
        let described = |call| settings.add_to(name(call, &key), &metadata);
        self.change(&key, |path, _| described(Call::put(path))).await
    }

    /// Removes a service that has no instances.
    ///
    /// # Errors
    /// [`Error::Refused`] if it has some, or does not exist; [`Error::Invalid`] for a name that cannot be.
    pub async fn remove_service(&self, service: impl Into<Service<'_>>) -> Result<(), Error> {
        let key = service.into().key(&self.namespace)?;
        self.change(&key, |path, _| name(Call::delete(path), &key)).await
    }

    /// What is said about a service.
    ///
    /// # Errors
    /// [`Error::Refused`] if it does not exist; [`Error::Invalid`] for a name that cannot be.
    pub async fn service(&self, service: impl Into<Service<'_>>) -> Result<ServiceShown, Error> {
        let key = service.into().key(&self.namespace)?;
        let reply = self.ask(SERVICE, of(&key), |path, _| name(Call::get(path), &key)).await?;
        answers::service(&reply)
    }

    /// Overrules weight, metadata and whether it is enabled, of an instance that is registered. Servers keep that for a
    /// while after the instance has gone.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no such instance; [`Error::Invalid`] for a name that cannot be.
    pub async fn update_instance(&self, service: impl Into<Service<'_>>, instance: &Instance) -> Result<(), Error> {
        let key = service.into().key(&self.namespace)?;
        self.naming.update(&key, &instance.body()).await
    }

    /// All namespaces, the public one first.
    ///
    /// # Errors
    /// What may go wrong with any request.
    pub async fn namespaces(&self) -> Result<Vec<NamespaceShown>, Error> {
        let reply = self.ask(NAMESPACES, of_all(), |path, _| Call::get(path)).await?;
        answers::namespaces(&reply)
    }

    /// Creates a namespace with this id.
    ///
    /// # Errors
    /// [`Error::Refused`] if it exists, or id or name cannot be.
    pub async fn create_namespace(&self, id: &str, settings: &NamespaceSettings) -> Result<(), Error> {
        let described = |path, words| {
            let id_is = if words == Words::First { "customNamespaceId" } else { "namespaceId" };
            let call = Call::post(path).form(id_is, id).form("namespaceName", settings.name.as_str());
            call.form("namespaceDesc", settings.description.as_str()).once()
        };
        answers::done(&self.ask(NAMESPACE, of_all(), described).await?)
    }

    /// Changes how a namespace is called and described.
    ///
    /// # Errors
    /// [`Error::Refused`] if it does not exist.
    pub async fn update_namespace(&self, id: &str, settings: &NamespaceSettings) -> Result<(), Error> {
        let described = |path, words| {
            let (id_is, name_is) = match words {
                Words::First => ("namespace", "namespaceShowName"),
                Words::Third => ("namespaceId", "namespaceName"),
            };
            let call = Call::put(path).form(id_is, id).form(name_is, settings.name.as_str());
            call.form("namespaceDesc", settings.description.as_str())
        };
        answers::done(&self.ask(NAMESPACE, of_all(), described).await?)
    }

    /// Removes a namespace. What it held is not removed.
    ///
    /// # Errors
    /// What may go wrong with any request.
    pub async fn remove_namespace(&self, id: &str) -> Result<(), Error> {
        let described = |path, _| Call::delete(path).query("namespaceId", id);
        answers::done(&self.ask(NAMESPACE, of_all(), described).await?)
    }

    async fn change<'a>(&self, key: &'a ServiceKey, call: impl Fn(String, Words) -> Call<'a>) -> Result<(), Error> {
        answers::done(&self.ask(SERVICE, of(key), call).await?)
    }

    /// Asks in the words of the first generation until a server says that it no longer understands them.
    async fn ask<'a>(
        &self,
        paths: [&str; 2],
        resource: Resource<'_>,
        call: impl Fn(String, Words) -> Call<'a>,
    ) -> Result<Reply, Error> {
        let [first, third] = paths;
        if !self.speaks_third.load(Ordering::Relaxed) {
            let call = call(self.proxy.path(first), Words::First);
            match self.proxy.call(&call, resource, self.within).await {
                Err(Error::Unsupported(_)) => self.speaks_third.store(true, Ordering::Relaxed),
                asked => return asked,
            }
        }
        self.proxy.call(&call(self.proxy.path(third), Words::Third), resource, self.within).await
    }
}

impl ServiceSettings {
    fn metadata(&self) -> Result<String, Error> {
        if !(0.0..=1.0).contains(&self.protect_threshold) {
            return Err(Error::Invalid("the protection threshold is a share, from 0 to 1".to_owned()));
        }
        serde_json::to_string(&self.metadata).map_err(|e| Error::Invalid(e.to_string()))
    }

    fn add_to<'a>(&self, call: Call<'a>, metadata: &'a str) -> Call<'a> {
        call.param("protectThreshold", self.protect_threshold.to_string()).param("metadata", metadata)
    }
}

fn name<'a>(call: Call<'a>, key: &'a ServiceKey) -> Call<'a> {
    call.param("namespaceId", key.namespace.as_str())
        .param("groupName", key.group.as_str())
        .param("serviceName", key.name.as_str())
}

fn of(key: &ServiceKey) -> Resource<'_> {
    let (namespace, group, name) = (key.namespace.as_str(), key.group.as_str(), key.name.as_str());
    Resource { module: Module::Naming, namespace, group, name }
}

/// Reads an answer as each of those to operators.
#[cfg(any(test, feature = "testkit"))]
pub(crate) fn read_as_everything(reply: &Reply) {
    drop(answers::done(reply));
    drop(answers::service(reply));
    drop(answers::namespaces(reply));
    drop(configs::read(reply).map(|(_, names)| names.count()));
}

const fn of_all() -> Resource<'static> {
    Resource { module: Module::Internal, namespace: "", group: "", name: "" }
}

#[cfg(test)]
mod tests;
