//! Waiting for a state, in bounds: until a registration stands, until a service is known, until something is taken back.

use std::time::Duration;

use tokio::sync::watch;

use super::desired::SubscriptionState;
use super::instances::Instances;
use super::publication::RegistrationState;
use super::shared::Followed;
use crate::error::{Error, Whose};

/// What goes to the caller of a failure that others see too.
fn told(error: &Error) -> Error {
    match error {
        Error::Invalid(what) => Error::Invalid(what.clone()),
        Error::NotConnected(failure) => Error::NotConnected(failure.clone()),
        Error::Deadline { within, last } => {
            Error::Deadline { within: *within, last: last.as_deref().map(|last| Box::new(told(last))) }
        }
        Error::Broken(what) => Error::Broken(what.clone()),
        Error::Denied(what) => Error::Denied(what.clone()),
        Error::LoginRefused { user, is_locked, message } => {
            Error::LoginRefused { user: user.clone(), is_locked: *is_locked, message: message.clone() }
        }
        Error::ConfigRaced => Error::ConfigRaced,
        Error::ConfigBeingWritten => Error::ConfigBeingWritten,
        Error::Busy(what) => Error::Busy(what.clone()),
        Error::Unsupported(what) => Error::Unsupported(what.clone()),
        Error::Refused { code, message } => Error::Refused { code: *code, message: message.clone() },
        Error::Undecodable(what) => Error::Undecodable(what.clone()),
        Error::File { what, source } => {
            Error::File { what: what.clone(), source: std::io::Error::new(source.kind(), source.to_string()) }
        }
        Error::Closed => Error::Closed,
    }
}

/// A failure that the caller is told at once: the server has answered, and waiting on would only hide it. Failures of the
/// way there may pass in the time that he gave.
fn is_an_answer(error: &Error) -> bool {
    error.whose() != Whose::Network
}

/// Waits for the state to become what is looked for: `look` says what to return. `last` says why it has not so far.
async fn until<S, T>(
    mut states: watch::Receiver<S>,
    within: Duration,
    look: impl Fn(&S) -> Option<Result<T, Error>>,
    last: impl Fn(&S) -> Option<Error>,
) -> Result<T, Error> {
    let looked = tokio::time::timeout(within, async {
        loop {
            if let Some(found) = look(&states.borrow_and_update()) {
                return found;
            }
            if states.changed().await.is_err() {
                // The last state may have come together with the end.
                return look(&states.borrow()).unwrap_or(Err(Error::Closed));
            }
        }
    });
    match looked.await {
        Ok(found) => found,
        Err(_) => Err(match last(&states.borrow()) {
            Some(error @ Error::NotConnected(_)) => error,
            last => Error::Deadline { within, last: last.map(Box::new) },
        }),
    }
}

/// Waits until the instance is registered.
///
/// # Errors
/// Why it is not.
pub(super) async fn registered(states: watch::Receiver<RegistrationState>, within: Duration) -> Result<(), Error> {
    let look = |state: &RegistrationState| match state {
        RegistrationState::Registered { .. } => Some(Ok(())),
        RegistrationState::Refused { reason, .. } => Some(Err(told(reason))),
        RegistrationState::Retrying { reason, .. } if is_an_answer(reason) => Some(Err(told(reason))),
        RegistrationState::Leaving | RegistrationState::Gone => {
            Some(Err(Error::Invalid("the instance was deregistered meanwhile".to_owned())))
        }
        RegistrationState::Pending | RegistrationState::Retrying { .. } => None,
    };
    until(states, within, look, why_unregistered).await
}

fn why_unregistered(state: &RegistrationState) -> Option<Error> {
    match state {
        RegistrationState::Retrying { reason, .. } => Some(told(reason)),
        // It waits for a connection, or for an answer.
        _ => None,
    }
}

/// Waits until the instance is gone.
///
/// # Errors
/// Why it is not. It is taken back all the same as soon as that is possible.
pub(super) async fn gone(states: watch::Receiver<RegistrationState>, within: Duration) -> Result<(), Error> {
    let look = |state: &RegistrationState| match state {
        RegistrationState::Gone => Some(Ok(())),
        RegistrationState::Refused { reason, .. } => Some(Err(told(reason))),
        _ => None,
    };
    until(states, within, look, |_| None).await
}

/// Waits until the service is known.
///
/// # Errors
/// Why it is not.
pub(super) async fn resolved(followed: Followed, within: Duration) -> Result<Instances, Error> {
    let Followed { mut changes, state } = followed;
    let failed = until(
        state,
        within,
        |state| match state {
            SubscriptionState::Refused { reason } => Some(Err(told(reason))),
            SubscriptionState::Retrying { reason, .. } if is_an_answer(reason) => Some(Err(told(reason))),
            _ => None::<Result<Instances, Error>>,
        },
        |state| match state {
            SubscriptionState::Retrying { reason, .. } => Some(told(reason)),
            _ => None,
        },
    );
    tokio::select! {
        biased;
        found = changes.wait_for(Option::is_some) => match found {
            Ok(found) => found.clone().ok_or(Error::Closed),
            Err(_) => Err(Error::Closed),
        },
        failed = failed => failed,
    }
}

/// Waits until a subscription or a watch is confirmed, or is known not to be for now.
///
/// # Errors
/// Why it is not confirmed.
pub(super) async fn active(states: watch::Receiver<SubscriptionState>, within: Duration) -> Result<(), Error> {
    let look = |state: &SubscriptionState| match state {
        SubscriptionState::Active { .. } => Some(Ok(())),
        SubscriptionState::Refused { reason } => Some(Err(told(reason))),
        SubscriptionState::Retrying { reason, .. } if is_an_answer(reason) => Some(Err(told(reason))),
        _ => None,
    };
    let last = |state: &SubscriptionState| match state {
        SubscriptionState::Retrying { reason, .. } => Some(told(reason)),
        _ => None,
    };
    until(states, within, look, last).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const WITHIN: Duration = Duration::from_millis(700);

    /// How long it waited, and what it said.
    async fn waited<T>(waiting: impl Future<Output = Result<T, Error>>) -> (Duration, Option<Error>) {
        let began = clock::now();
        let error = waiting.await.err();
        (began.elapsed(), error)
    }

    #[tokio::test(start_paused = true)]
    async fn checklist_16_nobody_waits_longer_than_he_wants() {
        let registration = watch::Sender::new(RegistrationState::Pending);
        let subscription = watch::Sender::new(SubscriptionState::Pending);
        let changes = watch::Sender::new(None);
        let followed = || Followed { changes: changes.subscribe(), state: subscription.subscribe() };
        for (took, error) in [
            waited(registered(registration.subscribe(), WITHIN)).await,
            waited(gone(registration.subscribe(), WITHIN)).await,
            waited(resolved(followed(), WITHIN)).await,
            waited(active(subscription.subscribe(), WITHIN)).await,
        ] {
            assert!((WITHIN..WITHIN + Duration::from_millis(2)).contains(&took), "{took:?}");
            assert!(matches!(error, Some(Error::Deadline { last: None, .. })), "{error:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_the_way_are_waited_out_and_answers_are_told_at_once() {
        let state = watch::Sender::new(RegistrationState::Pending);
        let retrying = |error: Error| RegistrationState::Retrying { reason: error.into(), attempts: 1 };
        state.send_replace(retrying(Error::NotConnected(None)));
        let (took, error) = waited(registered(state.subscribe(), WITHIN)).await;
        assert!(took >= WITHIN && matches!(error, Some(Error::NotConnected(_))), "{took:?} {error:?}");
        state.send_replace(retrying(Error::Broken("cut".to_owned())));
        let (_, error) = waited(registered(state.subscribe(), WITHIN)).await;
        assert!(matches!(error, Some(Error::Deadline { last: Some(_), .. })), "{error:?}");
        state.send_replace(retrying(Error::Refused { code: 500, message: "no leader".to_owned() }));
        let (took, error) = waited(registered(state.subscribe(), WITHIN)).await;
        assert!(took.is_zero() && matches!(error, Some(Error::Refused { code: 500, .. })), "{took:?} {error:?}");
        drop(state);
    }

    #[tokio::test]
    async fn the_end_of_the_client_ends_the_waiting() {
        let state = watch::Sender::new(RegistrationState::Pending);
        let receiver = state.subscribe();
        drop(state);
        assert!(matches!(registered(receiver, WITHIN).await, Err(Error::Closed)));
        let state = watch::Sender::new(RegistrationState::Gone);
        let receiver = state.subscribe();
        drop(state);
        assert!(gone(receiver, WITHIN).await.is_ok(), "the last state came together with the end");
    }
}
