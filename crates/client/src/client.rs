//! A client: what its parts share, how it is built, and how it ends.
//!
//! Naming and configs each have a link of their own, started when they are asked for the first time: a program that needs
//! one of them does not pay for the other. All tasks of a client hang on one signal and are counted.

mod builder;
#[cfg(any(test, feature = "lock", feature = "maintainer"))]
mod operators;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nacrite_base::NamespaceId;
use nacrite_wire::client::Module;
use tokio::sync::watch;
use tracing::warn;

pub use builder::ClientBuilder;

use crate::auth::Authenticator;
use crate::clock;
use crate::config::{ConfigSettings, ConfigSetup, Configs};
use crate::error::Error;
use crate::http::Proxy;
use crate::http::config::HttpConfig;
use crate::http::naming::{HttpNaming, HttpNamingSettings};
use crate::link::{Link, LinkSetup, PushHandler, ServerSource};
use crate::metrics::{Meter, Metrics};
use crate::naming::{Naming, NamingSettings, NamingSetup};
#[cfg(any(test, feature = "register"))]
use crate::naming::{Service, ServiceKey};
use crate::server::ServerAddress;
use crate::session::LinkState;
use crate::settings::LinkSettings;
use crate::tasks::Tasks;
use crate::tls::TlsSetup;

/// How long [`Client::close`] takes at most.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Over what a client speaks with its servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// gRPC, as servers from 2.0 on understand it; what it does not carry goes over HTTP.
    #[default]
    Grpc,
    /// HTTP alone, for servers before 2.0 and for ways that let nothing else through. Services cannot be watched by
    /// pattern then.
    Http,
}

/// A client of a registry and configuration centre. Clones share everything. When the last one is dropped without
/// [`Self::close`], its parts end as well, its connections break off, and the server finds out by itself.
///
/// ```no_run
/// # async fn example() -> Result<(), nacrite_client::Error> {
/// use std::time::Duration;
///
/// use nacrite_client::Client;
///
/// let client = Client::builder().servers("nacos-1:8848,nacos-2:8848").namespace("shop").build()?;
/// client.naming(); // Begins to connect.
/// client.ready(Duration::from_secs(5)).await?;
/// client.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    shared: Shared,
    naming_settings: NamingSettings,
    config_settings: ConfigSettings,
    naming: OnceLock<(Naming, Option<Link>)>,
    configs: OnceLock<(Configs, Option<Link>)>,
}

/// What the parts of a client have in common.
struct Shared {
    namespace: NamespaceId,
    app_name: Option<String>,
    transport: Transport,
    servers: Arc<dyn ServerSource>,
    configured: Vec<ServerAddress>,
    credentials: Arc<Authenticator>,
    proxy: Proxy,
    tls: Arc<TlsSetup>,
    link: LinkSettings,
    meter: Arc<Meter>,
    tasks: Tasks,
}

impl Shared {
    fn link(&self, module: Module, handlers: Vec<Arc<dyn PushHandler>>, settings: &ConfigSettings) -> Link {
        let app_name = self.app_name.iter().map(|name| ("AppName".to_owned(), name.clone()));
        // Servers look for the namespace and the program's labels on connections for configs alone, as Java's client
        // tells them there alone.
        let (tenant, labels) = match module {
            Module::Config => {
                let namespace = if self.namespace.is_public() { "" } else { self.namespace.as_str() };
                let number = ("taskId".to_owned(), "0".to_owned());
                (Some(namespace.to_owned()), settings.labels.on_wire().chain([number]).collect())
            }
            _ => (None, Vec::new()),
        };
        Link::start(LinkSetup {
            name: module.as_str().to_owned(),
            module,
            tenant,
            servers: Arc::clone(&self.servers),
            credentials: Arc::<Authenticator>::clone(&self.credentials),
            tls: Arc::clone(&self.tls),
            labels: app_name.chain(labels).collect(),
            settings: self.link.clone(),
            handlers,
            meter: Arc::clone(&self.meter),
            tasks: self.tasks.clone(),
        })
    }
}

/// What happens to the links of a client, to be watched. `None` where a part was not asked for yet, or needs no link.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientState {
    /// The link for services and instances.
    pub naming: Option<watch::Receiver<LinkState>>,
    /// The link for configs.
    pub config: Option<watch::Receiver<LinkState>>,
}

impl Client {
    /// Begins to describe a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Services and instances. The first call begins to connect, in the background.
    pub fn naming(&self) -> &Naming {
        &self.0.naming().0
    }

    /// Configs. The first call begins to connect, in the background.
    pub fn config(&self) -> &Configs {
        &self.0.configs().0
    }

    /// Waits until there is a connection for each part that was asked for; for naming, if none was. Useful to find out at
    /// the start of a program whether its servers can be reached; nothing needs it, calls wait for themselves. Over HTTP
    /// there are no connections to wait for.
    ///
    /// # Errors
    /// [`Error::NotConnected`] with the reason if there is none `within` the time, [`Error::Closed`].
    pub async fn ready(&self, within: Duration) -> Result<(), Error> {
        let end = clock::now() + within;
        for link in self.links() {
            link.ready(end.saturating_duration_since(clock::now())).await?;
        }
        Ok(())
    }

    /// Asks the server on each connection that was asked for whether it is there and knows this client; on that for
    /// naming, if none was. Nobody is logged in for it, and the answer says nothing about rights. Over HTTP there are no
    /// connections to ask about.
    ///
    /// # Errors
    /// [`Error::NotConnected`] with the reason if there is no connection `within` the time, [`Error::Deadline`] if there is
    /// no answer, what the server says otherwise.
    ///
    /// ```no_run
    /// # async fn example(client: nacrite_client::Client) {
    /// use std::time::Duration;
    ///
    /// if let Err(why) = client.check(Duration::from_secs(1)).await {
    ///     println!("not ready to serve: {why}");
    /// }
    /// # }
    /// ```
    pub async fn check(&self, within: Duration) -> Result<(), Error> {
        let end = clock::now() + within;
        for link in self.links() {
            link.check(end.saturating_duration_since(clock::now())).await?;
        }
        Ok(())
    }

    /// On what everything of this client hangs.
    #[cfg(any(test, feature = "discover"))]
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.0.shared.tasks
    }

    /// The links that were asked for; the one for naming, if none was.
    fn links(&self) -> Vec<&Link> {
        let mut links: Vec<&Link> = self.0.links().collect();
        if links.is_empty() && self.0.shared.transport == Transport::Grpc {
            links.extend(&self.0.naming().1);
        }
        links
    }

    /// The key of a service in the namespace of this client.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there can be no such service.
    #[cfg(any(test, feature = "register"))]
    pub(crate) fn service_key(&self, name: &str, group: Option<&str>) -> Result<ServiceKey, Error> {
        let service = Service::new(name);
        group.map_or(service, |group| service.in_group(group)).key(&self.0.shared.namespace)
    }

    /// The servers that were named; none if an address server tells them.
    #[cfg(any(test, feature = "register"))]
    pub(crate) fn servers(&self) -> &[ServerAddress] {
        &self.0.shared.configured
    }

    /// What happens to the links, to be looked at or to be watched.
    #[must_use]
    pub fn state(&self) -> ClientState {
        ClientState {
            naming: self.0.naming.get().and_then(|(_, link)| link.as_ref()).map(Link::state),
            config: self.0.configs.get().and_then(|(_, link)| link.as_ref()).map(Link::state),
        }
    }

    /// What the client counts, as it stands now. Cheap enough to be asked for every second.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.0.metrics()
    }

    /// Ends in order: takes back registrations and subscriptions, ends listening, closes the connections. Takes 3 s at
    /// most; what a server has not confirmed by then ends with its connection. Whoever still asks hears
    /// [`Error::Closed`]. A second call finds nothing to do.
    pub async fn close(&self) {
        self.close_within(CLOSE_WITHIN).await;
    }

    /// The same with another bound. Returns whether everything was confirmed and every task has ended.
    pub async fn close_within(&self, within: Duration) -> bool {
        let tasks = &self.0.shared.tasks;
        if tasks.is_stopping() {
            return tasks.stop_all(within).await;
        }
        let end = clock::now() + within;
        // A share of the time is for closing, so that a server that does not answer cannot keep tasks running.
        let is_over = match self.0.naming.get() {
            Some((naming, _)) => naming.close(within.mul_f64(0.8)).await,
            None => true,
        };
        let has_ended = tasks.stop_all(end.saturating_duration_since(clock::now())).await;
        if !has_ended {
            warn!(tasks = tasks.count(), "tasks of a client did not end in time");
        }
        has_ended && is_over
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let phase = |link: Option<watch::Receiver<LinkState>>| link.map(|state| state.borrow().phase);
        f.debug_struct("Client")
            .field("namespace", &self.0.shared.namespace)
            .field("naming", &phase(state.naming))
            .field("config", &phase(state.config))
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn naming(&self) -> &(Naming, Option<Link>) {
        self.naming.get_or_init(|| {
            let shared = &self.shared;
            let settings =
                HttpNamingSettings { request_within: self.naming_settings.request_within, ..Default::default() };
            let setup = NamingSetup {
                namespace: shared.namespace.clone(),
                settings: self.naming_settings.clone(),
                http: HttpNaming::new(shared.proxy.clone(), settings, shared.tasks.clone()),
                meter: Arc::clone(&shared.meter),
                tasks: shared.tasks.clone(),
            };
            if shared.transport == Transport::Http {
                return (Naming::over_http(setup), None);
            }
            let mut started = None;
            let naming = Naming::start(setup, |handlers| {
                let link = shared.link(Module::Naming, handlers, &self.config_settings);
                started.insert(link).clone()
            });
            (naming, started)
        })
    }

    fn configs(&self) -> &(Configs, Option<Link>) {
        self.configs.get_or_init(|| {
            let shared = &self.shared;
            let setup = ConfigSetup {
                namespace: shared.namespace.as_str().to_owned(),
                servers: shared.configured.clone(),
                settings: self.config_settings.clone(),
                tasks: shared.tasks.clone(),
            };
            if shared.transport == Transport::Http {
                return (Configs::over_http(setup, HttpConfig::new(shared.proxy.clone())), None);
            }
            let mut started = None;
            let configs = Configs::over_grpc(setup, |handlers| {
                let link = shared.link(Module::Config, handlers, &self.config_settings);
                started.insert(link).clone()
            });
            (configs, started)
        })
    }

    fn metrics(&self) -> Metrics {
        let mut metrics = self.shared.meter.counted();
        if let Some((naming, _)) = self.naming.get() {
            naming.tell(&mut metrics);
        }
        metrics
    }

    fn links(&self) -> impl Iterator<Item = &Link> {
        let naming = self.naming.get().and_then(|(_, link)| link.as_ref());
        naming.into_iter().chain(self.configs.get().and_then(|(_, link)| link.as_ref()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.shared.tasks.is_stopping() {
            return;
        }
        if self.naming.get().is_some() || self.configs.get().is_some() {
            warn!("a client was dropped without being closed: its registrations end only when the server notices");
        }
        self.shared.tasks.stop_now();
    }
}
