//! What is registered, and under which address: the settings of a registration, and where they come from.
//!
//! A value may come from code, from TOML and from the environment; what is said later wins. `names` has the table of all
//! names, `read` reads texts by it.

mod names;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::address::Network;
use super::bounds::Bounds;
use crate::auth::Credentials;
use crate::client::{Client, ClientBuilder};
use crate::error::Error;
use crate::servers::AddressServer;

pub use names::{Setting, settings as names};

/// Where a registry is expected if nobody says where it is. Nacos's starters look there too.
const SERVERS: &str = "127.0.0.1:8848";

/// What a server that cannot be reached must do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The server ends if it cannot be registered in time: whoever starts it sees that something is wrong.
    #[default]
    FailFast,
    /// It serves, and goes on trying.
    KeepTrying,
}

/// Which kind of address is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpType {
    /// An IPv4 address; a server that listens on IPv6 too says its IPv6 address in the metadata `IPv6`.
    #[default]
    Any,
    /// An IPv4 address, and nothing about IPv6.
    V4,
    /// An IPv6 address that others can reach; an IPv4 address if there is none.
    V6,
}

/// Whether a loopback address may be registered, which only programs on the same machine can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loopback {
    /// Only if the registry itself is on the same machine.
    #[default]
    WithLocalRegistry,
    /// Always.
    Allowed,
}

/// Where the management endpoints of a server are, for monitors that look for them as for Spring's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Management {
    /// Port.
    pub port: Option<u16>,
    /// Address, if it is another one than the instance's.
    pub address: Option<String>,
    /// Path in front of everything on that port.
    pub context_path: Option<String>,
    /// Path of the endpoints.
    pub base_path: Option<String>,
}

/// Which registry, and who asks it. Secrets are not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) servers: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) access_key: Option<String>,
    pub(crate) secret_key: Option<String>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("servers", &self.servers)
            .field("endpoint", &self.endpoint)
            .field("namespace", &self.namespace)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A registration, described. Only the name of the service has no default.
///
/// ```
/// use nacrite_client::register::RegisterSettings;
///
/// let settings = RegisterSettings::new("orders")
///     .toml("[nacos.discovery]\ngroup = \"shop\"\nmetadata = { zone = \"a\" }")?
///     .environment()?
///     .weight(2.0);
/// assert_eq!(settings.group.as_deref(), Some("shop"));
/// # Ok::<(), nacrite_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RegisterSettings {
    /// Name of the service; with its group in front, if it is not in the default one and `group` does not say it.
    pub service: String,
    /// Group.
    pub group: Option<String>,
    /// Cluster inside the service.
    pub cluster: Option<String>,
    /// Share of the traffic.
    pub weight: f64,
    /// Whether it may get traffic from the start. One that may not is shown to operators, and enabled by
    /// [`RegistrarHandle::set_enabled`](super::RegistrarHandle::set_enabled).
    pub is_enabled: bool,
    /// Whether it goes when its connection goes.
    pub is_ephemeral: bool,
    /// Whether it is registered at all; switches of other names may say no as well ([`Self::registers`]).
    pub is_registered: bool,
    /// What happens if it cannot be registered.
    pub on_failure: OnFailure,
    /// Whether callers have to use TLS; metadata `secure`.
    pub is_secure: bool,
    /// Address: taken as it is, and may be a name.
    pub ip: Option<String>,
    /// Kind of address to look for.
    pub ip_type: IpType,
    /// Interface whose address is registered.
    pub interface: Option<String>,
    /// Networks in which the address is looked for, the first one first.
    pub networks: Vec<Network>,
    /// Whether the address may be a loopback one.
    pub loopback: Loopback,
    /// Port, if others reach it by another one than it listens on.
    pub port: Option<u16>,
    /// What the instance says about itself.
    pub metadata: BTreeMap<String, String>,
    /// Where its management endpoints are.
    pub management: Management,
    /// How often clients of 1.x beat; metadata `preserved.heart.beat.interval`.
    pub heart_beat_interval: Option<Duration>,
    /// After what silence it is unhealthy; metadata `preserved.heart.beat.timeout`.
    pub heart_beat_timeout: Option<Duration>,
    /// After what silence it is removed; metadata `preserved.ip.delete.timeout`.
    pub ip_delete_timeout: Option<Duration>,
    /// Whether lists of the last run are shown until a server answers; for a client of its own.
    pub loads_cache_at_start: bool,
    /// How long each part of a life may take.
    pub bounds: Bounds,
    pub(crate) access: Access,
    /// What counts where `access` says nothing.
    pub(crate) fallback: Access,
    /// The name of the program, for a service without a name.
    pub(crate) application: Option<String>,
    /// Switches that are off; any of them is enough not to be registered.
    pub(crate) off: BTreeSet<&'static str>,
    /// Names that were given and mean nothing here, with the reason.
    pub(crate) ignored: Vec<(String, &'static str)>,
}

impl Default for RegisterSettings {
    /// Without a name: what is read must give one.
    fn default() -> Self {
        Self::new("")
    }
}

impl RegisterSettings {
    /// Nothing but the name of the service; the rest by default.
    #[must_use]
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            group: None,
            cluster: None,
            weight: 1.0,
            is_enabled: true,
            is_ephemeral: true,
            is_registered: true,
            on_failure: OnFailure::default(),
            is_secure: false,
            ip: None,
            ip_type: IpType::default(),
            interface: None,
            networks: Vec::new(),
            loopback: Loopback::default(),
            port: None,
            metadata: BTreeMap::new(),
            management: Management::default(),
            heart_beat_interval: None,
            heart_beat_timeout: None,
            ip_delete_timeout: None,
            loads_cache_at_start: false,
            bounds: Bounds::default(),
            access: Access::default(),
            fallback: Access::default(),
            application: None,
            off: BTreeSet::new(),
            ignored: Vec::new(),
        }
    }

    /// Adds what a TOML file says in `[nacos.discovery]` and `[spring.cloud.nacos.discovery]`; other tables are passed over.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no TOML, for a value that cannot be, and for a name in our own table that means nothing,
    /// with the nearest that does.
    pub fn toml(mut self, text: &str) -> Result<Self, Error> {
        read::toml(&mut self, text)?;
        Ok(self)
    }

    /// Adds what the environment says in `NACOS_DISCOVERY_…` and `SPRING_CLOUD_NACOS_DISCOVERY_…`.
    ///
    /// # Errors
    /// [`Error::Invalid`] as for [`Self::toml`].
    pub fn environment(self) -> Result<Self, Error> {
        // A name or a value that is no text cannot be one of ours.
        let texts =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        self.variables(texts)
    }

    /// Adds what these variables say, as [`Self::environment`] does.
    ///
    /// # Errors
    /// [`Error::Invalid`] as for [`Self::toml`].
    pub fn variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        read::variables(&mut self, variables)?;
        Ok(self)
    }

    /// Adds one value by its name: `cluster-name`, `nacos.discovery.cluster-name`,
    /// `spring.cloud.nacos.discovery.clusterName`.
    ///
    /// # Errors
    /// [`Error::Invalid`] as for [`Self::toml`].
    pub fn set(mut self, name: &str, value: &str) -> Result<Self, Error> {
        read::property(&mut self, name, value)?;
        Ok(self)
    }

    /// Names that were given and have no effect here, with the reason.
    pub fn ignored(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ignored.iter().map(|(name, why)| (name.as_str(), *why))
    }

    /// The registry, as `host:port` with commas between; for a client of its own. 127.0.0.1:8848 if nobody says.
    #[must_use]
    pub fn servers(mut self, list: impl Into<String>) -> Self {
        self.access.servers = Some(list.into());
        self
    }

    /// The namespace; for a client of its own.
    #[must_use]
    pub fn namespace(mut self, id: impl Into<String>) -> Self {
        self.access.namespace = Some(id.into());
        self
    }

    /// Group of the service.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Cluster inside the service.
    #[must_use]
    pub fn cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = Some(cluster.into());
        self
    }

    /// Share of the traffic, from 0 (none) to 10 000.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Registered without getting traffic, until it is enabled.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.is_enabled = false;
        self
    }

    /// Stays in the registry when its connection goes; the registry looks after its health.
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.is_ephemeral = false;
        self
    }

    /// Serves without being registered.
    #[must_use]
    pub fn unregistered(mut self) -> Self {
        self.is_registered = false;
        self
    }

    /// Serves also if it cannot be registered, and goes on trying.
    #[must_use]
    pub fn keep_trying(mut self) -> Self {
        self.on_failure = OnFailure::KeepTrying;
        self
    }

    /// Adds a text to the metadata; replaces the one that the key had.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Address under which it is registered, whatever the machine's interfaces are.
    #[must_use]
    pub fn ip(mut self, ip: impl Into<String>) -> Self {
        self.ip = Some(ip.into());
        self
    }

    /// Adjusts how long each part of a life may take.
    #[must_use]
    pub fn bounds(mut self, change: impl FnOnce(&mut Bounds)) -> Self {
        change(&mut self.bounds);
        self
    }

    /// The name of the service: `service`, or that of the program.
    #[must_use]
    pub fn service_name(&self) -> &str {
        if self.service.is_empty() { self.application.as_deref().unwrap_or_default() } else { &self.service }
    }

    /// Whether it is registered, all switches considered.
    #[must_use]
    pub fn registers(&self) -> bool {
        self.is_registered && self.off.is_empty()
    }

    /// The client that these settings describe.
    ///
    /// # Errors
    /// [`Error::Invalid`] if no client can be like that.
    pub fn client(&self) -> Result<Client, Error> {
        self.client_builder().build()
    }

    /// The same, for more to be said about it.
    pub fn client_builder(&self) -> ClientBuilder {
        let Access { servers, endpoint, namespace, user, password, access_key, secret_key } = self.effective_access();
        let builder = match (servers, endpoint) {
            (None, Some(endpoint)) => Client::builder().address_server(AddressServer::new(&endpoint)),
            (servers, _) => Client::builder().servers(servers.as_deref().unwrap_or(SERVERS)),
        };
        let mut credentials = Credentials::none();
        if let (Some(user), Some(password)) = (&user, &password) {
            credentials = credentials.user(user, password);
        }
        if let (Some(id), Some(secret)) = (&access_key, &secret_key) {
            credentials = credentials.access_key(id, secret);
        }
        let load = self.loads_cache_at_start;
        builder
            .namespace(namespace.as_deref().unwrap_or_default())
            .app_name(self.service_name())
            .credentials(credentials)
            .naming_settings(|naming| naming.load_cache_at_start |= load)
    }

    fn effective_access(&self) -> Access {
        let (own, other) = (self.access.clone(), &self.fallback);
        Access {
            servers: own.servers.or_else(|| other.servers.clone()),
            user: own.user.or_else(|| other.user.clone()),
            password: own.password.or_else(|| other.password.clone()),
            ..own
        }
    }
}

#[cfg(test)]
mod tests;
