//! A registration, to be looked at, changed and taken back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nacrite_base::{InstanceKey, ServiceKey};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::instance::{Instance, InstanceBuilder};
use super::persistent::Persistent;
use super::publication::RegistrationState;
use super::shared::Shared;
use super::waiting;
use crate::error::Error;

/// An instance that the caller registered. Dropping it changes nothing: the registration stands until it is taken back by
/// [`Registration::deregister`], or the client is closed. Clones are about the same instance.
///
/// ```no_run
/// # async fn example(registration: nacrite_client::naming::Registration) -> Result<(), nacrite_client::Error> {
/// use nacrite_client::naming::RegistrationState;
///
/// let mut state = registration.state();
/// while state.changed().await.is_ok() {
///     match &*state.borrow_and_update() {
///         RegistrationState::Registered { .. } => println!("callers find it"),
///         RegistrationState::Retrying { reason, .. } => println!("they may not: {reason}"),
///         RegistrationState::Refused { reason, .. } => println!("they will not, until somebody acts: {reason}"),
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Registration {
    pub(super) service: ServiceKey,
    pub(super) key: InstanceKey,
    pub(super) state: watch::Receiver<RegistrationState>,
    pub(super) held: Held,
}

/// Who looks after it.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// The redo: it is made again on each connection.
    ByConnection(Arc<Shared>),
    /// The server: it stays whoever comes and goes.
    ByServer(Persistent, Arc<Standing>),
}

/// A persistent instance as it was registered last.
#[derive(Debug)]
pub(super) struct Standing {
    instance: Mutex<Instance>,
    state: watch::Sender<RegistrationState>,
}

impl Registration {
    /// A persistent instance that a server has just taken.
    pub(super) fn standing(service: ServiceKey, instance: Instance, persistent: Persistent, since: Instant) -> Self {
        let state = watch::Sender::new(RegistrationState::Registered { since });
        let (key, receiver) = (instance.key().clone(), state.subscribe());
        let standing = Standing { instance: Mutex::new(instance), state };
        Self { service, key, state: receiver, held: Held::ByServer(persistent, Arc::new(standing)) }
    }

    /// The service that the instance is of.
    #[must_use]
    pub fn service(&self) -> &ServiceKey {
        &self.service
    }

    /// What has become of it, to be watched. The watch ends when it is gone.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<RegistrationState> {
        self.state.clone()
    }

    /// Waits until a server holds it, at most `within`.
    ///
    /// # Errors
    /// Why none does. The redo goes on trying.
    pub async fn registered(&self, within: Duration) -> Result<(), Error> {
        waiting::registered(self.state.clone(), within).await
    }

    /// Changes the instance: weight, metadata, whether it is enabled. Address, port and cluster are what it is known by and
    /// cannot be changed. Waits for the server, at most as long as a call may take.
    ///
    /// # Errors
    /// [`Error::Invalid`] if nothing legal came out, or if it is not registered. Otherwise why the server does not hold the
    /// change: then what was before stands.
    pub async fn update(&self, change: impl FnOnce(InstanceBuilder) -> InstanceBuilder) -> Result<(), Error> {
        let now = match &self.held {
            Held::ByConnection(shared) => shared.own(&self.service, &self.key),
            Held::ByServer(_, standing) => Some(standing.instance.lock().clone()),
        };
        let now = now.ok_or_else(|| Error::Invalid("the instance is not registered any more".to_owned()))?;
        let instance = change(InstanceBuilder::from(&now)).build()?;
        if *instance.key() != self.key || instance.is_ephemeral() != now.is_ephemeral() {
            return Err(Error::Invalid("address, port, cluster and kind of an instance cannot be changed".to_owned()));
        }
        match &self.held {
            Held::ByConnection(shared) => register_and_wait(shared, &self.service, instance).await.map(drop),
            Held::ByServer(persistent, standing) => {
                persistent.register(&self.service, &instance).await?;
                *standing.instance.lock() = instance;
                Ok(())
            }
        }
    }

    /// Takes the registration back, and waits for nobody: for where nobody can wait. A persistent instance stays: no redo
    /// looks after these.
    #[cfg(any(test, feature = "register"))]
    pub(crate) fn give_up(&self) {
        if let Held::ByConnection(shared) = &self.held {
            shared.abandon(&self.service, &self.key);
        }
    }

    /// Takes the registration back, and waits until the server has done it, at most as long as a call may take. Without a
    /// connection it is gone at once: it is not made again on the next.
    ///
    /// # Errors
    /// Why the server has not confirmed it. It is not made again in any case.
    pub async fn deregister(&self) -> Result<(), Error> {
        match &self.held {
            Held::ByConnection(shared) => deregister_and_wait(shared, &self.service, &self.key).await,
            Held::ByServer(persistent, standing) => {
                let instance = standing.instance.lock().clone();
                persistent.deregister(&self.service, &instance).await?;
                standing.state.send_replace(RegistrationState::Gone);
                Ok(())
            }
        }
    }
}

/// Registers, and gives up what did not come through in time: an error means that it is not wanted any more.
pub(super) async fn register_and_wait(
    shared: &Shared,
    service: &ServiceKey,
    instance: Instance,
) -> Result<watch::Receiver<RegistrationState>, Error> {
    let mut pledge = Pledge::make(shared, service, instance)?;
    pledge.kept().await?;
    Ok(pledge.state.clone())
}

/// Registers several in one request, and gives all up if one of them did not come through in time.
pub(super) async fn register_all_and_wait(
    shared: &Shared,
    service: &ServiceKey,
    instances: Vec<Instance>,
) -> Result<Vec<(InstanceKey, watch::Receiver<RegistrationState>)>, Error> {
    // All are written down before the first one is waited for, so that they go together.
    let pledges = instances.into_iter().map(|instance| Pledge::make(shared, service, instance));
    let mut pledges = pledges.collect::<Result<Vec<_>, _>>()?;
    let all = pledges.iter().map(|pledge| waiting::registered(pledge.state.clone(), shared.settings.request_within));
    futures_util::future::try_join_all(all).await?;
    pledges.iter_mut().for_each(|pledge| pledge.is_kept = true);
    Ok(pledges.iter().map(|pledge| (pledge.key.clone(), pledge.state.clone())).collect())
}

/// A registration that somebody waits for. It is given up if it did not come through, or if he stops waiting.
struct Pledge<'a> {
    shared: &'a Shared,
    service: &'a ServiceKey,
    key: InstanceKey,
    state: watch::Receiver<RegistrationState>,
    is_kept: bool,
}

impl<'a> Pledge<'a> {
    fn make(shared: &'a Shared, service: &'a ServiceKey, instance: Instance) -> Result<Self, Error> {
        let key = instance.key().clone();
        let state = shared.register(service, instance)?;
        Ok(Self { shared, service, key, state, is_kept: false })
    }

    async fn kept(&mut self) -> Result<(), Error> {
        waiting::registered(self.state.clone(), self.shared.settings.request_within).await?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Pledge<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.shared.abandon(self.service, &self.key);
        }
    }
}

/// Takes back, and waits.
pub(super) async fn deregister_and_wait(shared: &Shared, service: &ServiceKey, key: &InstanceKey) -> Result<(), Error> {
    match shared.deregister(service, key)? {
        Some(state) => waiting::gone(state, shared.settings.request_within).await,
        None => Ok(()),
    }
}
