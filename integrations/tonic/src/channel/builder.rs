//! How a channel is described and made. Everything that can be wrong is found out here; nothing connects.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use http::uri::Authority;
use nacrite_balance::Policy;
use nacrite_balance::json::Invalid;
use nacrite_balance::policy::{PolicyRegistry, RoundRobin};
use nacrite_balance::service_config::ServiceConfig;
use nacrite_client::Client;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::driver::{Driver, Names, Setup};
use super::intercept::{CallCredentials, CredentialsOver, Interceptor, Secrets};
use super::metrics::Meter;
use super::rules::{ConfigLookup, Defaults};
use super::settings::ChannelSettings;
use super::state::ChannelState;
use super::view::{Choice, View};
use super::{Channel, Handle, Shared};
use crate::resolver::{NacosResolver, ResolverFactory, ResolverRegistry, Updates};
use crate::target::TargetError;
use crate::tasks::Tasks;
use crate::transport::{ChannelTls, Connector, LazyTls, TlsError, server_name};

/// What the channel calls itself before servers.
const USER_AGENT: &str = concat!("grpc-rust-nacrite/", env!("CARGO_PKG_VERSION"));

/// Why a channel cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The target leads nowhere.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// What was given for TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The authority cannot stand in a call.
    #[error("the authority {authority:?} cannot be used: {why}")]
    Authority {
        /// The text.
        authority: String,
        /// What is wrong with it.
        why: String,
    },
    /// The channel's service config is wrong.
    #[error("the service config is wrong: {0}")]
    ServiceConfig(#[from] Invalid),
    /// The user agent cannot stand in a call.
    #[error("the user agent {0:?} holds what no header can")]
    UserAgent(String),
    /// There is no runtime for the channel's tasks.
    #[error("a channel must be built inside a Tokio runtime")]
    NoRuntime,
}

/// Describes a channel. See [`Channel::builder`].
#[must_use = "nothing is made before `build`"]
pub struct ChannelBuilder {
    target: String,
    resolvers: ResolverRegistry,
    authority: Option<String>,
    tls: Option<ChannelTls>,
    secrets: Option<Secrets>,
    interceptors: Vec<Arc<dyn Interceptor>>,
    policy: Arc<dyn Policy>,
    policies: PolicyRegistry,
    service_config: Option<String>,
    lookup: ConfigLookup,
    user_agent: Option<String>,
    settings: ChannelSettings,
}

impl fmt::Debug for ChannelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBuilder").field("target", &self.target).finish_non_exhaustive()
    }
}

impl ChannelBuilder {
    pub(super) fn new(target: String) -> Self {
        Self {
            target,
            resolvers: ResolverRegistry::default(),
            authority: None,
            tls: None,
            secrets: None,
            interceptors: Vec::new(),
            policy: Arc::new(RoundRobin::default()),
            policies: PolicyRegistry::standard(),
            service_config: None,
            lookup: ConfigLookup::On,
            user_agent: None,
            settings: ChannelSettings::default(),
        }
    }

    /// Targets of the scheme `nacos` are looked for with this client.
    pub fn nacos(self, client: &Client) -> Self {
        self.resolver(NacosResolver::new(client.clone()))
    }

    /// Adds a resolver for one scheme, in place of one for the same.
    pub fn resolver(mut self, factory: impl ResolverFactory + 'static) -> Self {
        self.resolvers = self.resolvers.with(factory);
        self
    }

    /// The resolvers for all schemes.
    pub fn resolvers(mut self, resolvers: ResolverRegistry) -> Self {
        self.resolvers = resolvers;
        self
    }

    /// The name by which the service is called, in place of the one that the target gives it: the `:authority` of every
    /// call, and the name that certificates have to show unless [`ChannelTls::server_name`] says another.
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Speaks TLS with every endpoint. Without it endpoints are called in the clear, but for those of which the registry
    /// says that they speak TLS: these are verified against the authorities of the operating system.
    pub fn tls(mut self, tls: ChannelTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Adds to every attempt what proves who calls.
    pub fn credentials(mut self, credentials: impl CallCredentials + 'static, over: CredentialsOver) -> Self {
        self.secrets = Some(Secrets { credentials: Box::new(credentials), over });
        self
    }

    /// Adds an interceptor. They see a call in the order in which they were added.
    pub fn interceptor(mut self, interceptor: impl Interceptor + 'static) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// The policy by which calls are sent to endpoints where no service config names one; `round_robin` if this is not
    /// called.
    pub fn policy(mut self, policy: impl Policy + 'static) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// The policies that service configs can name, in place of the standard ones.
    pub fn policies(mut self, policies: PolicyRegistry) -> Self {
        self.policies = policies;
        self
    }

    /// How calls are made where the registry says nothing: a service config of gRPC, as JSON (gRFC A2, A6).
    pub fn service_config(mut self, json: impl Into<String>) -> Self {
        self.service_config = Some(json.into());
        self
    }

    /// Whether the service config of the registry counts.
    pub fn config_lookup(mut self, lookup: ConfigLookup) -> Self {
        self.lookup = lookup;
        self
    }

    /// What the program calls itself before servers; the channel's own name follows it.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = Some(name.into());
        self
    }

    /// Changes how the channel behaves.
    pub fn settings(mut self, change: impl FnOnce(&mut ChannelSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Makes the channel. Nothing is looked for and nothing connects before the first call, or [`Channel::connect`]. Its
    /// tasks run on the runtime in which this is called.
    ///
    /// # Errors
    /// What is wrong with the description.
    pub fn build(self) -> Result<Channel, BuildError> {
        let tasks = Tasks::new().ok_or(BuildError::NoRuntime)?;
        let (target, factory) = self.resolvers.find(&self.target)?;
        let authority = match self.authority {
            Some(authority) => authority,
            None => factory.authority(&target)?,
        };
        let authority = read_authority(&authority)?;
        let config = self.service_config.map(|text| ServiceConfig::parse(&text, &self.policies)).transpose()?;
        let defaults = Defaults {
            policies: self.policies,
            policy: self.policy,
            outlier: self.settings.outliers.clone(),
            config: config.map(Arc::new),
            lookup: self.lookup,
        };
        let (updates, resolution) = Updates::new();
        let resolver = factory.resolve(&target, updates.clone())?;
        let names = Names {
            target: target.to_string().into(),
            tls_name: tls_name(self.tls.as_ref(), &authority)?,
            is_tls: self.tls.is_some(),
        };
        let connector = Connector {
            settings: self.settings.transport.clone(),
            tls: self.tls.as_ref().map(ChannelTls::ready).transpose()?.map_or_else(LazyTls::default, LazyTls::ready),
            tasks: tasks.clone(),
        };
        let shared = Arc::new(Shared {
            view: ArcSwap::from_pointee(View::without_lanes(None, Choice::Asleep)),
            changed: Notify::new(),
            nudge: Arc::default(),
            over: CancellationToken::new(),
            closing: false.into(),
            drained: Notify::new(),
            state: watch::Sender::new(ChannelState::default()),
            meter: Meter::default(),
            tasks: tasks.clone(),
            kept: Arc::default(),
            interceptors: self.interceptors.into(),
            secrets: self.secrets,
            authority,
            user_agent: user_agent(self.user_agent)?,
        });
        let setup = Setup { settings: self.settings, connector, names, defaults, resolution, updates, resolver };
        tasks.spawn(Driver::new(Arc::clone(&shared), setup).run());
        Ok(Channel(Arc::new(Handle { shared })))
    }
}

fn read_authority(authority: &str) -> Result<Authority, BuildError> {
    let wrong = |why: &str| BuildError::Authority { authority: authority.to_owned(), why: why.to_owned() };
    let read: Authority = authority.parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
    if read.as_str().contains('@') { Err(wrong("it names a user")) } else { Ok(read) }
}

/// The name that certificates have to show.
fn tls_name(tls: Option<&ChannelTls>, authority: &Authority) -> Result<Arc<str>, BuildError> {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let name = tls.and_then(ChannelTls::name).unwrap_or(host);
    match server_name(name) {
        // Nobody asks for the name if nobody speaks TLS, and names of services need not be names of servers.
        Err(why) if tls.is_some() => Err(BuildError::Authority { authority: authority.to_string(), why }),
        _ => Ok(name.into()),
    }
}

fn user_agent(own: Option<String>) -> Result<HeaderValue, BuildError> {
    let Some(own) = own else { return Ok(HeaderValue::from_static(USER_AGENT)) };
    HeaderValue::try_from(format!("{own} {USER_AGENT}")).map_err(|_| BuildError::UserAgent(own))
}
