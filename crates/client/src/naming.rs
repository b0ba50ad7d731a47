//! Services and their instances: registering one's own, finding those of others, and being told what becomes of them.
//!
//! What is wanted is written down in `desired` and what is known in `cache`, both pure; `redo` brings the server to hold
//! the one, `push` brings in the other. A caller looks into the cells of `shared`, and waits for states, never for a
//! connection.

mod cache;
mod desired;
mod door;
mod files;
mod fuzzy;
mod instance;
mod instances;
mod over_grpc;
mod over_http;
mod persistent;
mod publication;
mod push;
mod query;
mod redo;
mod registration;
mod selector;
mod service;
mod service_watch;
mod settings;
mod shared;
mod subscription;
mod waiting;
mod wish;

use std::sync::Arc;
use std::time::Duration;

use nacrite_base::{InstanceKey, NamespaceId};
pub use nacrite_base::{Metadata, ServiceKey};
use tokio::sync::watch;

pub use cache::EmptyProtection;
pub use desired::SubscriptionState;
pub use instance::{Instance, InstanceBuilder};
pub use instances::{Change, Instances, Origin};
pub use publication::RegistrationState;
pub use query::ServicePage;
pub use registration::Registration;
pub use selector::Selector;
pub use service::Service;
pub use service_watch::{ServiceWatch, ServicesChange};
pub use settings::NamingSettings;
pub use subscription::{Callback, Subscription};

use crate::error::Error;
use crate::http::naming::HttpNaming;
use crate::link::{Link, PushHandler};
use crate::metrics::{Meter, Metrics};
use crate::tasks::Tasks;
use door::Door;
use files::Files;
use over_http::OverHttp;
use persistent::Persistent;
use registration::Held;
use shared::Shared;

/// What a naming client is made of.
pub(crate) struct NamingSetup {
    /// In which all services are.
    pub(crate) namespace: NamespaceId,
    /// How they are handled.
    pub(crate) settings: NamingSettings,
    /// For what gRPC does not carry.
    pub(crate) http: HttpNaming,
    /// Where it counts.
    pub(crate) meter: Arc<Meter>,
    /// On what its tasks hang.
    pub(crate) tasks: Tasks,
}

/// Services and their instances. Clones share everything.
///
/// Every call is bounded by [`NamingSettings::request_within`], waiting for a connection included.
#[derive(Clone)]
pub struct Naming {
    shared: Arc<Shared>,
    door: Door,
    persistent: Persistent,
    meter: Arc<Meter>,
    tasks: Tasks,
}

impl std::fmt::Debug for Naming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Naming").field("namespace", &self.shared.namespace).finish_non_exhaustive()
    }
}

impl Naming {
    /// Begins, over gRPC. `link` is given those who take its pushes, and begins to connect.
    pub(crate) fn start(setup: NamingSetup, link: impl FnOnce(Vec<Arc<dyn PushHandler>>) -> Link) -> Self {
        let shared = Arc::new(Shared::new(setup.namespace.clone(), setup.settings.clone()));
        let link = link(vec![Arc::new(push::Pushes(Arc::clone(&shared)))]);
        Self::begin(setup, shared, Door::Grpc(link))
    }

    /// Begins, over HTTP alone: for servers before 2.0. Services cannot be watched by pattern then.
    pub(crate) fn over_http(setup: NamingSetup) -> Self {
        let shared = Arc::new(Shared::new(setup.namespace.clone(), setup.settings.clone()));
        let door = Door::Http(OverHttp::new(setup.http.clone(), setup.tasks.clone()));
        Self::begin(setup, shared, door)
    }

    /// Where choices of instances are counted that are made elsewhere.
    #[cfg(any(test, feature = "discover"))]
    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Adds what follows from the state of things to what was counted.
    pub(crate) fn tell(&self, metrics: &mut Metrics) {
        self.shared.tell(metrics);
    }

    fn begin(setup: NamingSetup, shared: Arc<Shared>, door: Door) -> Self {
        let NamingSetup { namespace, settings, http, meter, tasks } = setup;
        let tasks = tasks.part();
        tasks.spawn(redo::run(Arc::clone(&shared), door.clone(), tasks.clone()));
        if let Some(root) = settings.cache_dir.as_deref() {
            tasks.spawn(files::run(Arc::clone(&shared), Files::new(root, &namespace), tasks.clone()));
        }
        let link = match &door {
            Door::Grpc(link) => Some(link.clone()),
            Door::Http(_) => None,
        };
        let persistent = Persistent { link, http, within: settings.request_within };
        Self { shared, door, persistent, meter, tasks }
    }

    /// Registers an instance, and waits until the server holds it. It is registered again on every connection, until it is
    /// deregistered or the client is closed. One of the same address, port and cluster is changed; others of the same
    /// service that this client registered stay.
    ///
    /// ```no_run
    /// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
    /// use nacrite_client::naming::Instance;
    /// let registration = naming.register("orders", Instance::builder("10.0.0.1", 8080).weight(2.0)).await?;
    /// registration.update(|instance| instance.enabled(false)).await?;
    /// registration.deregister().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] if no server would take it; why the server does not hold it otherwise. An error means that it is
    /// not wanted any more: what may have reached the server is taken back. Use [`Self::register_in_background`] to go on
    /// trying.
    pub async fn register(
        &self,
        service: impl Into<Service<'_>>,
        instance: impl Into<InstanceBuilder>,
    ) -> Result<Registration, Error> {
        let service = self.key(service)?;
        let instance = instance.into().build()?;
        if !instance.is_ephemeral() {
            return self.register_persistent(service, instance).await;
        }
        let key = instance.key().clone();
        let state = registration::register_and_wait(&self.shared, &service, instance).await?;
        Ok(self.registration(service, key, state))
    }

    /// Registers an instance as soon as it is possible, and returns at once: for services that start without the registry.
    /// [`Registration::state`] tells what has become of it.
    ///
    /// ```no_run
    /// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
    /// use nacrite_client::naming::{Instance, RegistrationState};
    /// let registration = naming.register_in_background("orders", Instance::builder("10.0.0.1", 8080))?;
    /// if let RegistrationState::Retrying { reason, attempts } = &*registration.state().borrow() {
    ///     eprintln!("not registered after {attempts} attempts: {reason}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] if no server would take it, and for a persistent instance: no connection carries these.
    pub fn register_in_background<'a>(
        &self,
        service: impl Into<Service<'a>>,
        instance: impl Into<InstanceBuilder>,
    ) -> Result<Registration, Error> {
        let service = self.key(service)?;
        let instance = ephemeral(instance.into().build()?)?;
        let key = instance.key().clone();
        let state = self.shared.register(&service, instance)?;
        Ok(self.registration(service, key, state))
    }

    /// Registers several instances of one service in one request.
    ///
    /// ```no_run
    /// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
    /// use nacrite_client::naming::Instance;
    /// let ports = [8080, 9090];
    /// naming.register_all("orders", ports.map(|port| Instance::builder("10.0.0.1", port))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::register`]; then none of them is wanted any more. Persistent ones cannot be registered so.
    pub async fn register_all<I: Into<InstanceBuilder>>(
        &self,
        service: impl Into<Service<'_>>,
        instances: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Registration>, Error> {
        let service = self.key(service)?;
        let built: Result<Vec<_>, _> =
            instances.into_iter().map(|instance| ephemeral(instance.into().build()?)).collect();
        let registered = registration::register_all_and_wait(&self.shared, &service, built?).await?;
        Ok(registered.into_iter().map(|(key, state)| self.registration(service.clone(), key, state)).collect())
    }

    /// Takes back an instance that this client registered, known by its address, port and cluster. A persistent one may be
    /// anybody's. One that is not there is gone already.
    ///
    /// # Errors
    /// Why the server has not confirmed it. It is not registered again in any case.
    pub async fn deregister(
        &self,
        service: impl Into<Service<'_>>,
        instance: impl Into<InstanceBuilder>,
    ) -> Result<(), Error> {
        let service = self.key(service)?;
        let instance = instance.into().build()?;
        if instance.is_ephemeral() {
            registration::deregister_and_wait(&self.shared, &service, instance.key()).await
        } else {
            self.persistent.deregister(&service, &instance).await
        }
    }

    /// Takes back all instances of a service that this client registered, persistent ones excepted.
    ///
    /// # Errors
    /// Why the server has not confirmed it. None is registered again in any case.
    pub async fn deregister_all(&self, service: impl Into<Service<'_>>) -> Result<(), Error> {
        let service = self.key(service)?;
        let mut leaving = Vec::new();
        for key in self.shared.own_keys(&service) {
            leaving.extend(self.shared.deregister(&service, &key)?);
        }
        let within = self.shared.settings.request_within;
        let gone = leaving.into_iter().map(|state| waiting::gone(state, within));
        futures_util::future::try_join_all(gone).await.map(drop)
    }

    /// Subscribes to a service, and returns at once. The first change comes when a server has answered, also if there is
    /// nobody; [`Subscription::resolved`] waits for it with a bound, and [`Subscription::state`] tells why it does not come.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there can be no such service.
    pub fn subscribe<'a>(&self, service: impl Into<Service<'a>>, selector: Selector) -> Result<Subscription, Error> {
        self.subscribe_protected(service, selector, self.shared.settings.empty_protection)
    }

    /// The same with another protection from empty lists than the client has for all. It holds for everybody who follows
    /// this service in this client.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub fn subscribe_protected<'a>(
        &self,
        service: impl Into<Service<'a>>,
        selector: Selector,
        protection: EmptyProtection,
    ) -> Result<Subscription, Error> {
        let service = self.key(service)?;
        let followed = self.shared.follow(&service, protection)?;
        Ok(Subscription::new(&self.shared, service, followed, selector))
    }

    /// Subscribes to a service by a function, which is called in a task of its own with every change, one after the other.
    /// If it is slow, changes in between are left out: it is always called with the newest. Ends when what is returned is
    /// dropped.
    ///
    /// ```no_run
    /// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
    /// use nacrite_client::naming::Selector;
    /// let callback = naming.subscribe_with("orders", Selector::default(), |change| {
    ///     println!("{} instances left", change.removed.len());
    /// })?;
    /// drop(callback); // It is not called any more.
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub fn subscribe_with<'a>(
        &self,
        service: impl Into<Service<'a>>,
        selector: Selector,
        call: impl FnMut(Change) + Send + 'static,
    ) -> Result<Callback, Error> {
        let subscription = self.subscribe(service, selector)?;
        let (callback, task) = Callback::begin(subscription, self.tasks.child_signal(), call);
        self.tasks.spawn(task);
        Ok(callback)
    }

    /// Watches which services there are: group and name each exact, `*`, `x*`, `*x` or `*x*`. Returns at once;
    /// [`ServiceWatch::active`] waits for the server, which must be of the third generation.
    ///
    /// ```no_run
    /// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
    /// use std::time::Duration;
    /// let mut watch = naming.watch_services("DEFAULT_GROUP", "order*")?;
    /// watch.active(Duration::from_secs(3)).await?;
    /// while let Some(change) = watch.changed().await {
    ///     println!("{:?} came, {:?} went", change.appeared, change.vanished);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] if the pattern is none.
    pub fn watch_services(&self, group: &str, service: &str) -> Result<ServiceWatch, Error> {
        let pattern = fuzzy::Pattern::new(&self.shared.namespace, group, service)?;
        ServiceWatch::open(&self.shared, pattern)
    }

    /// Takes back all registrations and subscriptions, and ends. Waits for the server at most `within`. Returns whether it
    /// has confirmed everything; what it has not ends with the connection.
    pub(crate) async fn close(&self, within: Duration) -> bool {
        self.shared.withdraw();
        let over = async {
            loop {
                let mut taken_back = std::pin::pin!(self.shared.taken_back.notified());
                taken_back.as_mut().enable();
                if self.shared.is_over() {
                    return;
                }
                taken_back.await;
            }
        };
        let began = crate::clock::now();
        let is_over = tokio::time::timeout(within, over).await.is_ok();
        self.tasks.stop(within.saturating_sub(began.elapsed())).await && is_over
    }

    fn key<'a>(&self, service: impl Into<Service<'a>>) -> Result<ServiceKey, Error> {
        service.into().key(&self.shared.namespace)
    }

    fn registration(
        &self,
        service: ServiceKey,
        key: InstanceKey,
        state: watch::Receiver<RegistrationState>,
    ) -> Registration {
        Registration { service, key, state, held: Held::ByConnection(Arc::clone(&self.shared)) }
    }

    async fn register_persistent(&self, service: ServiceKey, instance: Instance) -> Result<Registration, Error> {
        self.persistent.register(&service, &instance).await?;
        let since = crate::clock::now().into_std();
        Ok(Registration::standing(service, instance, self.persistent.clone(), since))
    }
}

fn ephemeral(instance: Instance) -> Result<Instance, Error> {
    if instance.is_ephemeral() {
        return Ok(instance);
    }
    Err(Error::Invalid("a persistent instance is registered by `register` alone".to_owned()))
}

#[cfg(test)]
mod tests;
