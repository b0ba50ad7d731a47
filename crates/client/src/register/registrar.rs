//! A registration bound to the life of one server, before it is run, and the handle on it while it runs.
//!
//! Collects what belongs to a life and checks it. How a life goes is decided in `life` and done in `run`.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nacrite_base::ServiceKey;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::hooks::{BoxError, Hooks, Moment};
use super::lifecycle::Lifecycle;
use super::probe::Probe;
use super::settings::RegisterSettings;
use super::state::RegistrarState;
use crate::client::Client;
use crate::error::Error;
use crate::naming::{Instance, InstanceBuilder, Registration};

/// Something that a program waits for before it is ready.
pub(super) type Ready = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A client that belongs to lives: the last of them closes it.
#[derive(Debug)]
pub(super) struct OwnClient {
    client: Client,
    lives: AtomicUsize,
}

/// One life that a client belongs to.
#[derive(Debug)]
pub(super) struct Share(Arc<OwnClient>);

impl Share {
    fn first(client: Client) -> Self {
        Self(Arc::new(OwnClient { client, lives: AtomicUsize::new(1) }))
    }

    fn another(&self) -> Self {
        self.0.lives.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }

    /// The client, if this was the last life that it belongs to.
    pub(super) fn into_client(self) -> Option<Client> {
        (self.0.lives.load(Ordering::Relaxed) == 1).then(|| self.0.client.clone())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.lives.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A registration bound to the life of one server. Frameworks run it; see [`Self::run`] for those that are not supported.
///
/// ```no_run
/// # async fn example() -> Result<(), nacrite_client::Error> {
/// use nacrite_client::register::{RegisterSettings, Registrar};
///
/// let settings = RegisterSettings::new("orders").servers("nacos-1:8848,nacos-2:8848").environment()?;
/// let registrar = Registrar::connect(settings)?
///     .before_register(|instance| async { Ok(instance.metadata("build", "4711")) })
///     .after_register(|instance| async move { println!("callers find {instance}") });
/// let handle = registrar.handle(); // For later: to look at it, to change its weight, to leave.
/// # Ok(())
/// # }
/// ```
pub struct Registrar {
    pub(super) handle: RegistrarHandle,
    pub(super) client: Client,
    pub(super) own: Option<Share>,
    pub(super) settings: RegisterSettings,
    pub(super) hooks: Hooks,
    pub(super) ready: Mutex<Vec<Ready>>,
    pub(super) probe: Option<Probe>,
}

impl fmt::Debug for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar").field("service", &self.handle.shared.service).finish_non_exhaustive()
    }
}

impl Registrar {
    /// A registration by a client of its own, which the settings describe and which is closed at the end of the life.
    ///
    /// # Errors
    /// [`Error::Invalid`] outside a Tokio runtime, and for settings that no server would take.
    pub fn connect(settings: RegisterSettings) -> Result<Self, Error> {
        let client = settings.client()?;
        let own = Share::first(client.clone());
        Self::new(client, Some(own), settings, Lifecycle::new())
    }

    /// A registration by a client that the program has anyway. It stays open when the life is over; what the settings say
    /// about servers, namespace and credentials has no effect.
    ///
    /// # Errors
    /// [`Error::Invalid`] for settings that no server would take.
    pub fn with_client(client: &Client, settings: RegisterSettings) -> Result<Self, Error> {
        Self::new(client.clone(), None, settings, Lifecycle::new())
    }

    /// Another registration of the same program, for a server on another port: by the same client, and leaving with this
    /// one.
    ///
    /// # Errors
    /// As [`Self::with_client`].
    pub fn beside(&self, settings: RegisterSettings) -> Result<Self, Error> {
        let own = self.own.as_ref().map(Share::another);
        Self::new(self.client.clone(), own, settings, self.handle.lifecycle.clone())
    }

    fn new(
        client: Client,
        own: Option<Share>,
        settings: RegisterSettings,
        lifecycle: Lifecycle,
    ) -> Result<Self, Error> {
        // What no server would take is said now, not when the server runs. The address is not known yet.
        described(&settings, "127.0.0.1", 1, BTreeMap::new()).build()?;
        let service = client.service_key(settings.service_name(), settings.group.as_deref())?;
        let shared = Shared { service, state: watch::Sender::new(RegistrarState::Bound), entry: Mutex::default() };
        let handle = RegistrarHandle { shared: Arc::new(shared), lifecycle };
        Ok(Self { handle, client, own, settings, hooks: Hooks::default(), ready: Mutex::default(), probe: None })
    }

    /// Leaves when this lifecycle says so, instead of one of its own.
    #[must_use]
    pub fn lifecycle(mut self, lifecycle: &Lifecycle) -> Self {
        self.handle.lifecycle = lifecycle.clone();
        self
    }

    /// Waits for this, too, before it registers: caches that are to be filled, connections that are to stand. May be said
    /// several times.
    #[must_use]
    pub fn ready_when<F, E>(self, ready: F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.ready.lock().push(Box::pin(async { ready.await.map_err(Into::into) }));
        self
    }

    /// How to find out whether the handlers answer; each framework has its own way if it is not given.
    #[must_use]
    pub fn probe(mut self, probe: Probe) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Sees the instance before it is registered. What it returns is registered; an error ends the server. What
    /// [`RegistrarHandle::set_weight`] and its like say wins.
    #[must_use]
    pub fn before_register<F, T>(self, hook: F) -> Self
    where
        F: FnOnce(InstanceBuilder) -> T + Send + 'static,
        T: Future<Output = Result<InstanceBuilder, BoxError>> + Send + 'static,
    {
        self.hooks.shape(hook);
        self
    }

    /// Is called when a server holds the registration for the first time.
    #[must_use]
    pub fn after_register<F, T>(self, hook: F) -> Self
    where
        F: FnOnce(Instance) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        self.hooks.tell(Moment::AfterRegister, hook);
        self
    }

    /// Is called before a registration is taken back that a server held.
    #[must_use]
    pub fn before_leave<F, T>(self, hook: F) -> Self
    where
        F: FnOnce(Instance) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        self.hooks.tell(Moment::BeforeLeave, hook);
        self
    }

    /// Is called when it was taken back, or could not be in time; requests are still served.
    #[must_use]
    pub fn after_leave<F, T>(self, hook: F) -> Self
    where
        F: FnOnce(Instance) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        self.hooks.tell(Moment::AfterLeave, hook);
        self
    }

    /// Adds to the metadata of the instance, unless the settings say something under the same key.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.metadata.entry(key.into()).or_insert_with(|| value.into());
        self
    }

    /// The handle on it, for when the registrar itself is given to a server.
    #[must_use]
    pub fn handle(&self) -> RegistrarHandle {
        self.handle.clone()
    }

    /// How it is described.
    #[must_use]
    pub const fn settings(&self) -> &RegisterSettings {
        &self.settings
    }
}

/// What became of the wish to be registered.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// What was said by calls; counts more than settings and hooks.
    pub(super) changes: Changes,
    /// The instance that a server may hold.
    pub(super) instance: Option<Instance>,
    /// The registration, once there is one that can be changed.
    pub(super) registration: Option<Registration>,
    /// It was given up, and is not made again.
    pub(super) is_over: bool,
}

/// What was said by calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    weight: Option<f64>,
    is_enabled: Option<bool>,
    metadata: BTreeMap<String, String>,
}

impl Changes {
    /// Makes them.
    pub(super) fn on(&self, mut instance: InstanceBuilder) -> InstanceBuilder {
        if let Some(weight) = self.weight {
            instance = instance.weight(weight);
        }
        if let Some(is_enabled) = self.is_enabled {
            instance = instance.enabled(is_enabled);
        }
        self.metadata.iter().fold(instance, |instance, (key, value)| instance.metadata(key.as_str(), value.as_str()))
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) service: ServiceKey,
    pub(super) state: watch::Sender<RegistrarState>,
    pub(super) entry: Mutex<Entry>,
}

/// A handle on a registration and its server: to see where it stands, to change it, to make it leave. Clones are about the
/// same one.
#[derive(Clone)]
pub struct RegistrarHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) lifecycle: Lifecycle,
}

impl fmt::Debug for RegistrarHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrarHandle").field("state", &*self.shared.state.borrow()).finish_non_exhaustive()
    }
}

impl RegistrarHandle {
    /// Where it stands, to be looked at or to be watched.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<RegistrarState> {
        self.shared.state.subscribe()
    }

    /// The instance as it was registered first; `None` before that.
    #[must_use]
    pub fn instance(&self) -> Option<Instance> {
        self.shared.entry.lock().instance.clone()
    }

    /// Makes it leave in order, and all others of the same lifecycle with it. The second call changes nothing.
    pub fn leave(&self) {
        self.lifecycle.leave();
    }

    /// Makes it end at once, and all others of the same lifecycle with it.
    pub fn leave_at_once(&self) {
        self.lifecycle.leave_at_once();
    }

    /// Changes whether it gets traffic. Survives reconnects; said before it is registered, it is registered so.
    ///
    /// # Errors
    /// Why the registry does not hold the change; then what was before stands.
    pub async fn set_enabled(&self, is_enabled: bool) -> Result<(), Error> {
        self.change(Changes { is_enabled: Some(is_enabled), ..Changes::default() }).await
    }

    /// Changes its share of the traffic, from 0 (none) to 10 000; otherwise as [`Self::set_enabled`].
    ///
    /// # Errors
    /// As [`Self::set_enabled`]; [`Error::Invalid`] for a weight that cannot be.
    pub async fn set_weight(&self, weight: f64) -> Result<(), Error> {
        self.change(Changes { weight: Some(weight), ..Changes::default() }).await
    }

    /// Adds to its metadata, or replaces there; otherwise as [`Self::set_enabled`].
    ///
    /// # Errors
    /// As [`Self::set_enabled`]; [`Error::Invalid`] for metadata that no server would take.
    pub async fn update_metadata<K, V>(&self, pairs: impl IntoIterator<Item = (K, V)>) -> Result<(), Error>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let metadata = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self.change(Changes { metadata, ..Changes::default() }).await
    }

    async fn change(&self, change: Changes) -> Result<(), Error> {
        // Refused here before anything remembers it.
        change.on(Instance::builder("127.0.0.1", 1)).build()?;
        let registration = {
            let mut entry = self.shared.entry.lock();
            let Changes { weight, is_enabled, metadata } = change.clone();
            match &entry.registration {
                Some(registration) => registration.clone(),
                None if entry.is_over => {
                    return Err(Error::Invalid("the instance is not registered any more".to_owned()));
                }
                None => {
                    let kept = &mut entry.changes;
                    kept.weight = weight.or(kept.weight);
                    kept.is_enabled = is_enabled.or(kept.is_enabled);
                    kept.metadata.extend(metadata);
                    return Ok(());
                }
            }
        };
        registration.update(|instance| change.on(instance)).await
    }
}

/// The instance as the settings describe it, at an address.
pub(super) fn described(
    settings: &RegisterSettings,
    host: &str,
    port: u16,
    metadata: BTreeMap<String, String>,
) -> InstanceBuilder {
    let mut instance = Instance::builder(host, port).weight(settings.weight).enabled(settings.is_enabled);
    if let Some(cluster) = &settings.cluster {
        instance = instance.cluster(cluster.as_str());
    }
    if !settings.is_ephemeral {
        instance = instance.persistent();
    }
    let metadata = settings.metadata.clone().into_iter().chain(metadata);
    metadata.fold(instance, |instance, (key, value)| instance.metadata(key, value))
}
