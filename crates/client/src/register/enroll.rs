//! Does what a life orders: waits until the server is ready, registers it, follows the registration, takes it back.
//!
//! Each act may be left at any moment and then has changed nothing that the next one does not know of: what a server may
//! hold is written down before it is asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, watch};
use tracing::{info, warn};

use super::address::{self, Chosen};
use super::hooks::{BoxError, Moment};
use super::life::Act;
use super::listening::Listening;
use super::metadata::metadata;
use super::probe::Probe;
use super::registrar::{Registrar, Share, described};
use super::run::{Outcome, ServeError};
use super::settings::OnFailure;
use super::state::{RegistrarState, Standing};
use crate::error::{Error, Whose};
use crate::naming::{InstanceBuilder, Registration, RegistrationState, Service};

/// The pause before what failed is tried again, where nobody else does so: finding an address, and registering persistent
/// instances. 3 s, as the redo of ephemeral ones.
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// What the acts of one life share.
pub(super) struct Acts {
    registrar: Registrar,
    listening: Listening,
    own: AsyncMutex<Option<Share>>,
    /// What one act prepares for the next.
    draft: AsyncMutex<Option<InstanceBuilder>>,
}

impl Acts {
    pub(super) fn new(mut registrar: Registrar, listening: Listening) -> Self {
        let own = AsyncMutex::new(registrar.own.take());
        Self { registrar, listening, own, draft: AsyncMutex::default() }
    }

    /// Does one. `Err` has no effect on those that belong to leaving but a line in the log.
    pub(super) async fn run(&self, act: Act) -> Outcome {
        match act {
            Act::Gate => self.gate().await,
            Act::Describe => self.describe().await,
            Act::BeforeRegister => self.before_register().await,
            Act::Register => self.register().await,
            Act::AfterRegister => self.tell(Moment::AfterRegister).await,
            Act::Stay => self.stay().await,
            Act::BeforeLeave => self.tell(Moment::BeforeLeave).await,
            Act::Deregister => self.deregister().await,
            Act::AfterLeave => self.tell(Moment::AfterLeave).await,
            // The time, and the end of the server, end these.
            Act::Linger | Act::Drain => std::future::pending().await,
            Act::Close => self.close().await,
        }
    }

    fn state(&self) -> &watch::Sender<RegistrarState> {
        &self.registrar.handle.shared.state
    }

    fn starting(&self, reason: impl Into<Arc<str>>) {
        self.state().send_replace(RegistrarState::Starting { reason: reason.into() });
    }

    fn fails_fast(&self) -> bool {
        self.registrar.settings.on_failure == OnFailure::FailFast
    }

    async fn gate(&self) -> Outcome {
        self.starting("its own address was not asked yet");
        // What is asked in the clear is no answer of a server that speaks TLS.
        let of_framework = match &self.listening.probe {
            Probe::Http { .. } | Probe::Grpc if self.registrar.settings.is_secure => &Probe::Connect,
            probe => probe,
        };
        let probe = self.registrar.probe.as_ref().unwrap_or(of_framework);
        let answered = async {
            probe.answered(self.listening.at, |why| self.starting(why)).await;
            self.starting("the program is not ready yet");
            Ok(())
        };
        // Side by side: what fills a cache need not wait for the first answer.
        let waited_for = std::mem::take(&mut *self.registrar.ready.lock());
        let ready = futures_util::future::try_join_all(waited_for);
        futures_util::future::try_join(answered, ready)
            .await
            .map_err(|error: BoxError| ServeError::NotReady(error.to_string()))?;
        if !self.registrar.settings.is_registered() {
            self.stands(Standing::NotWanted);
        }
        Ok(())
    }

    async fn describe(&self) -> Outcome {
        let Registrar { settings, client, .. } = &self.registrar;
        let chosen = loop {
            match address::choose(settings, client.servers(), self.listening.at).await {
                Ok(chosen) => break chosen,
                Err(why) if self.fails_fast() => return Err(ServeError::NoAddress(why)),
                Err(why) => self.again("no address to register", &why).await,
            }
        };
        let Chosen { host, .. } = &chosen;
        let port = settings.port.unwrap_or_else(|| self.listening.at.port());
        let instance = described(settings, host, port, metadata(settings, &self.listening, &chosen));
        *self.draft.lock().await = Some(instance);
        Ok(())
    }

    async fn again(&self, what: &str, why: &str) {
        warn!(service = %self.registrar.handle.shared.service, why, "{what}; it is tried again");
        self.state().send_replace(RegistrarState::Registering { reason: Some(why.into()) });
        tokio::time::sleep(AGAIN_AFTER).await;
    }

    async fn before_register(&self) -> Outcome {
        let mut draft = self.draft.lock().await;
        if let Some(instance) = draft.take() {
            let shaped = self.registrar.hooks.shaped(instance).await;
            *draft = Some(shaped.map_err(|error| ServeError::Hook(error.to_string()))?);
        }
        Ok(())
    }

    async fn register(&self) -> Outcome {
        let Some(draft) = self.draft.lock().await.take() else { return Ok(()) };
        let invalid = |error: Error| ServeError::NotRegistered(error.to_string());
        self.state().send_replace(RegistrarState::Registering { reason: None });
        let is_ephemeral = {
            let mut entry = self.registrar.handle.shared.entry.lock();
            let instance = entry.changes.on(draft).build().map_err(invalid)?;
            entry.instance = Some(instance.clone());
            if instance.is_ephemeral() {
                let naming = self.registrar.client.naming();
                let registration = naming.register_in_background(self.service(), instance.clone());
                entry.registration = Some(registration.map_err(invalid)?);
            }
            instance.is_ephemeral()
        };
        let registered = if is_ephemeral { self.registered().await } else { self.register_persistent().await };
        if registered.is_ok() {
            let instance = self.registrar.handle.instance().map(|instance| instance.to_string()).unwrap_or_default();
            info!(service = %self.registrar.handle.shared.service, instance, "registered");
            self.stands(Standing::Registered);
        }
        registered
    }

    fn service(&self) -> Service<'_> {
        let service = &self.registrar.handle.shared.service;
        Service::new(service.name.as_str()).in_group(service.group.as_str())
    }

    fn registration(&self) -> Option<Registration> {
        self.registrar.handle.shared.entry.lock().registration.clone()
    }

    /// Waits until a server holds the registration that was asked for; the redo of the client asks.
    async fn registered(&self) -> Outcome {
        let Some(registration) = self.registration() else { return Ok(()) };
        let mut state = registration.state();
        loop {
            let now = state.borrow_and_update().clone();
            let reason = match now {
                RegistrationState::Registered { .. } => return Ok(()),
                RegistrationState::Refused { reason, .. } if self.fails_fast() => {
                    return Err(ServeError::NotRegistered(reason.to_string()));
                }
                RegistrationState::Retrying { reason, .. } if self.fails_fast() && !is_passing(&reason) => {
                    return Err(ServeError::NotRegistered(reason.to_string()));
                }
                RegistrationState::Refused { reason, .. } | RegistrationState::Retrying { reason, .. } => {
                    Some(reason.to_string().into())
                }
                RegistrationState::Gone => return Err(ServeError::NotRegistered("it was taken back".to_owned())),
                RegistrationState::Pending | RegistrationState::Leaving => None,
            };
            self.state().send_replace(RegistrarState::Registering { reason });
            if state.changed().await.is_err() {
                return Err(ServeError::NotRegistered(Error::Closed.to_string()));
            }
        }
    }

    /// Registers an instance that stays when its connection goes; no redo looks after these.
    async fn register_persistent(&self) -> Outcome {
        let shared = &self.registrar.handle.shared;
        loop {
            let Some(instance) = self.registrar.handle.instance() else { return Ok(()) };
            match self.registrar.client.naming().register(self.service(), instance).await {
                Ok(registration) => {
                    shared.entry.lock().registration = Some(registration);
                    return Ok(());
                }
                Err(error) if self.fails_fast() && !is_passing(&error) => {
                    return Err(ServeError::NotRegistered(error.to_string()));
                }
                Err(error) => self.again("not registered", &error.to_string()).await,
            }
        }
    }

    fn stands(&self, standing: Standing) {
        self.state().send_replace(RegistrarState::Running(standing));
    }

    /// Follows what becomes of the registration. Never ends.
    async fn stay(&self) -> Outcome {
        if let Some(registration) = self.registration() {
            let mut state = registration.state();
            loop {
                let now = state.borrow_and_update().clone();
                match now {
                    RegistrationState::Registered { .. } => self.stands(Standing::Registered),
                    RegistrationState::Retrying { reason, .. } => self.stands(Standing::Retrying { reason }),
                    RegistrationState::Refused { reason, kept: false } => self.stands(Standing::Refused { reason }),
                    // A change that was refused left what was before.
                    RegistrationState::Refused { kept: true, .. } => self.stands(Standing::Registered),
                    RegistrationState::Leaving | RegistrationState::Gone => self.stands(Standing::TakenBack),
                    // Being asked for anew; what was before counts until there is an answer.
                    RegistrationState::Pending => {}
                }
                if state.changed().await.is_err() {
                    break;
                }
            }
        } else {
            self.stands(Standing::NotWanted);
        }
        std::future::pending().await
    }

    async fn tell(&self, moment: Moment) -> Outcome {
        if let Some(instance) = self.registrar.handle.instance() {
            self.registrar.hooks.told(moment, &instance).await;
        }
        Ok(())
    }

    async fn deregister(&self) -> Outcome {
        let (registration, instance) = {
            let mut entry = self.registrar.handle.shared.entry.lock();
            entry.is_over = true;
            (entry.registration.take(), entry.instance.clone())
        };
        let failed = |error: Error| ServeError::NotRegistered(format!("the removal is not confirmed: {error}"));
        match (registration, instance) {
            (Some(registration), _) => registration.deregister().await.map_err(failed),
            // It was on its way when it was left: a server may have it.
            (None, Some(instance)) => {
                self.registrar.client.naming().deregister(self.service(), instance).await.map_err(failed)
            }
            (None, None) => Ok(()),
        }
    }

    async fn close(&self) -> Outcome {
        let share = self.own.lock().await.take();
        if let Some(client) = share.and_then(Share::into_client) {
            client.close_within(self.registrar.settings.bounds.close_within).await;
        }
        Ok(())
    }
}

/// Whether waiting may be enough; if not, who fails fast need not wait.
fn is_passing(error: &Error) -> bool {
    error.whose() == Whose::Network || error.is_transient()
}
