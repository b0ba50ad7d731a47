//! Instances and lists over HTTP, in the words of the first generation: for servers without gRPC, and for persistent
//! instances on servers that take these over HTTP alone.
//!
//! An ephemeral instance is kept alive by beats from its registration to its deregistration. A list that is subscribed to is
//! asked for again and again, and pushed over UDP in between by servers that can; whoever holds the subscription sees one
//! sequence of lists.

mod freshness;
mod params;
mod subscriptions;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use nacrite_base::ServiceKey;
use nacrite_wire::client::Module;
use nacrite_wire::client::naming::{InstanceBody, ServiceInfo};
use nacrite_wire::lenient;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tracing::warn;

use super::beats::{Beats, Heard, Heart};
use super::{Call, Proxy, udp};
use crate::error::Error;
use crate::link::Resource;
use crate::tasks::Tasks;
use params::Described;
use subscriptions::Subscriptions;

pub(crate) use subscriptions::Subscription;

const INSTANCE: &str = "/v1/ns/instance";
const BEAT: &str = "/v1/ns/instance/beat";
const LIST: &str = "/v1/ns/instance/list";
const SERVICES: &str = "/v1/ns/service/list";

/// The same change of an instance on servers that keep the first generation for registrations only.
#[cfg(any(test, feature = "maintainer"))]
const INSTANCE_V3: &str = "/v3/admin/ns/instance";

/// Servers push over UDP to the clients that they know by this name, and to no others; the number is that of the last
/// generation of clients that listened to UDP.
const PUSHED_AGENT: &str = "Nacos-Java-Client:v1.4.7";

/// Lists that are asked for at one time: a client with many subscriptions shall not fall upon a server that just came back.
const POLLS_MAX: usize = 16;

/// How naming over HTTP behaves.
#[derive(Clone, Debug)]
pub(crate) struct HttpNamingSettings {
    /// How long a request may take, over all attempts.
    pub(crate) request_within: Duration,
    /// The port on which pushes over UDP are received, 0 for any that is free; `None` if lists are polled only.
    pub(crate) udp_port: Option<u16>,
    /// Where pushes are sent to; `None` for the address that the way to the server begins at.
    pub(crate) client_ip: Option<IpAddr>,
}

impl Default for HttpNamingSettings {
    fn default() -> Self {
        Self { request_within: Duration::from_secs(3), udp_port: Some(0), client_ip: None }
    }
}

/// Naming over HTTP. Clones share everything.
#[derive(Clone)]
pub(crate) struct HttpNaming(Arc<Inner>);

pub(super) struct Inner {
    proxy: Proxy,
    settings: HttpNamingSettings,
    tasks: Tasks,
    beats: Beats,
    subscriptions: Arc<Subscriptions>,
    /// 0 while no pushes are received.
    udp_port: AtomicU16,
    polls: Semaphore,
}

impl HttpNaming {
    /// Nothing is sent and no port is opened until it is needed.
    pub(crate) fn new(proxy: Proxy, settings: HttpNamingSettings, tasks: Tasks) -> Self {
        Self(Arc::new(Inner {
            proxy,
            settings,
            beats: Beats::new(tasks.clone()),
            subscriptions: Arc::default(),
            udp_port: AtomicU16::new(0),
            polls: Semaphore::new(POLLS_MAX),
            tasks,
        }))
    }

    /// Registers an instance. An ephemeral one is kept alive by beats from then on.
    ///
    /// # Errors
    /// As [`Proxy::call`]; no beats are sent then.
    pub(crate) async fn register(&self, service: &ServiceKey, instance: &InstanceBody<'_>) -> Result<(), Error> {
        let described = Arc::new(Described::new(service, instance));
        self.0.register(&described).await?;
        if let Some(interval) = described.beat_interval {
            let key = described.key();
            let heart = InstanceHeart { naming: Arc::clone(&self.0), described };
            self.0.beats.start(key, interval, heart);
        }
        Ok(())
    }

    /// Stops the beats of an instance, waits for the one under way, and deregisters it.
    ///
    /// # Errors
    /// As [`Proxy::call`]; the beats have stopped all the same, so that an ephemeral instance ends by itself.
    pub(crate) async fn deregister(&self, service: &ServiceKey, instance: &InstanceBody<'_>) -> Result<(), Error> {
        let described = Described::new(service, instance);
        let key = described.key();
        self.0.beats.stop(&key).await;
        self.0.deregister(&described).await
    }

    /// Changes weight, metadata and whether it is enabled, of an instance that is registered. A change that is made so
    /// outlives the registration for a while, as if an operator had made it.
    ///
    /// # Errors
    /// As [`Proxy::call`].
    #[cfg(any(test, feature = "maintainer"))]
    pub(crate) async fn update(&self, service: &ServiceKey, instance: &InstanceBody<'_>) -> Result<(), Error> {
        let described = Described::new(service, instance);
        let inner = &*self.0;
        let changed = inner.done(described.update(Call::put(inner.proxy.path(INSTANCE))), service).await;
        match changed {
            Err(Error::Unsupported(_)) => {
                inner.done(described.update_v3(Call::put(inner.proxy.path(INSTANCE_V3))), service).await
            }
            done => done,
        }
    }

    /// Asks for the list of a service, once. `clusters` is a comma list, empty for all.
    ///
    /// # Errors
    /// As [`Proxy::call`]; [`Error::Undecodable`] if the answer is no list.
    pub(crate) async fn list(
        &self,
        service: &ServiceKey,
        clusters: &str,
        healthy_only: bool,
    ) -> Result<ServiceInfo, Error> {
        let call = params::list(self.0.proxy.path(LIST), service, clusters, healthy_only);
        let reply = self.0.proxy.call(&call, resource(service), self.0.settings.request_within).await?;
        read_list(&reply.body)
    }

    /// A page of the names of services in a group, and how many there are in all. `page_no` from 1.
    ///
    /// # Errors
    /// As [`Proxy::call`].
    pub(crate) async fn services(
        &self,
        namespace: &str,
        group: &str,
        page_no: u32,
        page_size: u32,
    ) -> Result<(i64, Vec<String>), Error> {
        let call = Call::get(self.0.proxy.path(SERVICES))
            .query("namespaceId", namespace)
            .query("groupName", group)
            .query("pageNo", page_no.to_string())
            .query("pageSize", page_size.to_string());
        let resource = Resource { module: Module::Naming, namespace, group, name: "" };
        let reply = self.0.proxy.call(&call, resource, self.0.settings.request_within).await?;
        read_page(&reply.body)
    }

    /// Subscribes to the list of a service, all clusters. Ends when the subscription and its clones are dropped. A second
    /// subscription to the same service shares the polls of the first.
    pub(crate) fn subscribe(&self, service: &ServiceKey) -> Subscription {
        subscriptions::subscribe(&self.0, service)
    }
}

impl Inner {
    async fn register(&self, described: &Described) -> Result<(), Error> {
        let call = described.register(Call::post(self.proxy.path(INSTANCE)));
        self.done(call, &described.service).await
    }

    async fn deregister(&self, described: &Described) -> Result<(), Error> {
        let call = described.identity(Call::delete(self.proxy.path(INSTANCE)));
        self.done(call, &described.service).await
    }

    async fn beat(&self, described: &Described, is_light: bool) -> Result<Heard, Error> {
        let call = described.beat(Call::put(self.proxy.path(BEAT)), is_light);
        match self.proxy.call(&call, resource(&described.service), self.settings.request_within).await {
            Ok(reply) => Heard::read(&reply.body),
            // Some servers say with the status what others say in the answer.
            Err(Error::Refused { code, .. }) if code == i64::from(nacrite_wire::codes::beat::NOT_FOUND) => {
                Ok(Heard::Unknown)
            }
            Err(error) => Err(error),
        }
    }

    async fn done(&self, call: Call<'_>, service: &ServiceKey) -> Result<(), Error> {
        self.proxy.call(&call, resource(service), self.settings.request_within).await.map(|_| ())
    }

    /// The port on which pushes are received, opened at the first call; 0 if there is none.
    async fn udp_port(self: &Arc<Self>) -> u16 {
        let Some(wanted) = self.settings.udp_port else {
            return 0;
        };
        let open = self.udp_port.load(Ordering::Relaxed);
        if open != 0 {
            return open;
        }
        match udp::receive(wanted, Arc::clone(&self.subscriptions) as Arc<dyn udp::Taker>, &self.tasks).await {
            // Of two who come here at once, one has opened a port too many: it takes pushes like the other.
            Ok(port) => {
                self.udp_port.store(port, Ordering::Relaxed);
                port
            }
            Err(error) => {
                warn!(%error, "no pushes over UDP; lists are only polled");
                0
            }
        }
    }
}

/// Beats for one instance.
struct InstanceHeart {
    naming: Arc<Inner>,
    described: Arc<Described>,
}

impl Heart for InstanceHeart {
    async fn beat(&self, is_light: bool) -> Result<Heard, Error> {
        self.naming.beat(&self.described, is_light).await
    }

    async fn register(&self) -> Result<(), Error> {
        self.naming.register(&self.described).await
    }
}

fn resource(service: &ServiceKey) -> Resource<'_> {
    Resource {
        module: Module::Naming,
        namespace: service.namespace.as_str(),
        group: service.group.as_str(),
        name: service.name.as_str(),
    }
}

/// Reads the list of a service.
///
/// # Errors
/// [`Error::Undecodable`] if it is none.
pub(crate) fn read_list(body: &[u8]) -> Result<ServiceInfo, Error> {
    serde_json::from_slice(body).map_err(|e| Error::Undecodable(format!("the list of a service: {e}")))
}

/// Reads how many services there are in all, and a page of their names.
///
/// # Errors
/// [`Error::Undecodable`] if it is none.
pub(crate) fn read_page(body: &[u8]) -> Result<(i64, Vec<String>), Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Page {
        #[serde(deserialize_with = "lenient::whole")]
        count: i64,
        #[serde(deserialize_with = "lenient::texts")]
        doms: Vec<String>,
    }

    let page: Page = serde_json::from_slice(body).map_err(|e| Error::Undecodable(e.to_string()))?;
    Ok((page.count, page.doms))
}

#[cfg(test)]
mod tests;
