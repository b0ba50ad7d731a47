//! Asks a server something: one deadline over all attempts, and another attempt only where that is safe.
//!
//! Only what a transport or a server says about a *connection* is told to the link; a request that a server does not like
//! changes nothing for the others (`reference/client.md`, 1.7).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nacrite_wire::client::{Answer, Ask, Module};
use nacrite_wire::codes::rpc;
use nacrite_wire::payload::Outgoing;
use tokio::sync::watch;
use tokio::time::{sleep, timeout_at};
use tracing::{Instrument, debug_span};

use crate::clock;
use crate::error::Error;
use crate::link::connection::{Connection, Said};
use crate::link::driver::Current;
use crate::link::{Inner, Resource};
use crate::session::Generation;
use crate::transport::CallError;

/// The longest pause before another attempt; it is shorter where the caller has little time.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Which connections will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// Whichever stands.
    Any,
    /// This one alone.
    Only(Generation),
}

/// A question in its bytes.
struct Question<'a> {
    wire_type: &'static str,
    body: Bytes,
    resource: Resource<'a>,
    is_repeatable: bool,
}

/// What an asker is doing; decides what a deadline means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Waiting,
    Asking(Generation),
    Pausing,
}

/// What has been tried so far.
struct Asker<'a> {
    link: &'a Inner,
    current: watch::Receiver<Current>,
    on: On,
    pause: Duration,
    tries_left: u32,
    /// The server's refusal was met with new credentials once.
    has_renewed: bool,
    /// Connections up to this one are known to be of no use.
    no_use: Option<Generation>,
    doing: Doing,
    last: Option<Error>,
}

/// How an attempt ended.
enum Tried<T> {
    Done(T),
    Over(Error),
    /// The same connection may do, after a pause.
    Again(Error),
    /// Another connection is needed; waiting for it is pause enough.
    Elsewhere(Error),
}

/// Asks, within a time.
pub(super) async fn ask<A: Ask + Sync>(
    link: &Inner,
    ask: &A,
    resource: Resource<'_>,
    on: On,
    within: Duration,
) -> Result<A::Answer, Error> {
    let began = clock::now();
    let deadline = began + within;
    let body = Bytes::from(nacrite_wire::json::bytes(ask));
    let max = link.settings.message_len_max;
    if body.len() > max {
        return Err(Error::Invalid(format!(
            "the request has {} bytes, more than the {max} that can be sent",
            body.len()
        )));
    }
    let question = Question { wire_type: A::TYPE, body, resource, is_repeatable: ask.is_repeatable() };
    let mut asker = Asker {
        link,
        current: link.current.clone(),
        on,
        pause: PAUSE_MAX.min(within / 3),
        tries_left: link.settings.retries_max,
        has_renewed: false,
        no_use: None,
        doing: Doing::Waiting,
        last: None,
    };
    let span = debug_span!("request", kind = A::TYPE, group = resource.group, name = resource.name);
    let result = match timeout_at(deadline, asker.run::<A::Answer>(&question).instrument(span)).await {
        Ok(result) => result,
        Err(_) => Err(asker.out_of_time(within)),
    };
    link.meter.request(clock::now().saturating_duration_since(began), result.is_err());
    result
}

/// That the server cannot do what was asked for, in words that its users know. Whatever else servers may lack keeps the
/// name that it has on the wire.
fn unsupported(question: &Question<'_>) -> Error {
    Error::Unsupported(
        match question.wire_type {
            "LockOperationRequest" => "locks",
            "NamingFuzzyWatchRequest" => "watching services by pattern",
            "ConfigFuzzyWatchRequest" => "watching names of configs",
            "PersistentInstanceRequest" => "persistent instances over gRPC",
            "BatchInstanceRequest" => "several instances of one client in a service",
            other => other,
        }
        .to_owned(),
    )
}

impl Asker<'_> {
    async fn run<T: Answer>(&mut self, question: &Question<'_>) -> Result<T, Error> {
        loop {
            self.doing = Doing::Waiting;
            let connection = self.connection().await?;
            let (error, pause) = match self.attempt::<T>(&connection, question).await {
                Tried::Done(answer) => return Ok(answer),
                Tried::Over(error) => return Err(error),
                Tried::Again(error) => (error, self.pause),
                Tried::Elsewhere(error) => (error, Duration::ZERO),
            };
            let Some(tries_left) = self.tries_left.checked_sub(1) else { return Err(error) };
            self.tries_left = tries_left;
            self.last = Some(error);
            self.doing = Doing::Pausing;
            sleep(pause).await;
        }
    }

    /// Waits for a connection that will do.
    async fn connection(&mut self) -> Result<Arc<Connection>, Error> {
        loop {
            let current = self.current.borrow_and_update().clone();
            match current {
                Current::Closed => return Err(Error::Closed),
                Current::Usable(connection) => {
                    let is_of_no_use = self.no_use >= Some(connection.generation);
                    match self.on {
                        On::Only(only) if is_of_no_use || only != connection.generation => return Err(self.gone()),
                        _ if is_of_no_use => {}
                        _ => return Ok(connection),
                    }
                }
                Current::Waiting(doubtful) => match self.on {
                    On::Only(only) if doubtful != Some(only) => return Err(self.gone()),
                    _ => {}
                },
            }
            if self.current.changed().await.is_err() {
                return Err(Error::Closed);
            }
        }
    }

    /// The one connection that would do is gone.
    fn gone(&self) -> Error {
        Error::NotConnected(self.link.state.borrow().failure.clone())
    }

    /// One attempt on one connection, and a second one if the server wants other credentials.
    async fn attempt<T: Answer>(&mut self, connection: &Connection, question: &Question<'_>) -> Tried<T> {
        loop {
            self.doing = Doing::Pausing;
            let headers = match question.resource.module {
                // A question of the connection itself is about nobody's rights; no login is to stand before it.
                Module::Internal => Vec::new(),
                _ => match self.link.credentials.headers(question.resource).await {
                    Ok(headers) => headers,
                    Err(error) => return Tried::Over(error),
                },
            };
            let mut outgoing =
                Outgoing::request(question.wire_type, Arc::clone(&connection.channel.local_ip), question.body.clone());
            outgoing.headers = headers;
            self.doing = Doing::Asking(connection.generation);
            let (is_early, code, words) = match connection.ask::<T>(outgoing).await {
                Ok(Said::Done(answer)) => return Tried::Done(answer),
                Ok(Said::Error(code, words)) => (true, code, words),
                Ok(Said::Failed(code, words)) => (false, code, words),
                Ok(Said::Undecodable(cause)) => return Tried::Over(Error::Undecodable(cause)),
                Err(error) => return self.broken(connection.generation, error, question),
            };
            self.doing = Doing::Pausing;
            if code != i64::from(rpc::NO_RIGHT) {
                return self.refused(connection.generation, is_early, code, words, question);
            }
            // Whether new credentials are there is found out once: the second refusal is about the user, not the token.
            if self.has_renewed || !self.link.credentials.refused().await {
                return Tried::Over(Error::Denied(words));
            }
            self.has_renewed = true;
        }
    }

    /// What a failure of the transport means.
    fn broken<T>(&mut self, generation: Generation, error: CallError, question: &Question<'_>) -> Tried<T> {
        let is_repeatable = question.is_repeatable;
        match error {
            CallError::Unsent(cause) => {
                self.give_up(generation, &cause);
                Tried::Elsewhere(Error::Broken(cause))
            }
            CallError::Broken(cause) => {
                self.give_up(generation, &cause);
                let error = Error::Broken(cause);
                if is_repeatable { Tried::Elsewhere(error) } else { Tried::Over(error) }
            }
            CallError::Unread(cause) => {
                self.link.signals.doubted(generation);
                Tried::Again(Error::Broken(cause))
            }
            CallError::Interrupted(cause) => {
                self.link.signals.doubted(generation);
                let error = Error::Broken(cause);
                if is_repeatable { Tried::Again(error) } else { Tried::Over(error) }
            }
            CallError::Unimplemented(_) => Tried::Over(unsupported(question)),
            CallError::Status { code, message } => Tried::Over(Error::Refused { code: code.into(), message }),
            CallError::Undecodable(cause) => Tried::Over(Error::Undecodable(cause)),
        }
    }

    /// The connection takes nothing more. Its reader notices as well, but perhaps only after the next attempt.
    fn give_up(&mut self, generation: Generation, cause: &str) {
        self.no_use = self.no_use.max(Some(generation));
        self.link.signals.ended(generation, cause.to_owned());
    }

    /// What a refusal of the server means. `is_early`: nobody looked into the request.
    fn refused<T>(
        &mut self,
        generation: Generation,
        is_early: bool,
        code: i64,
        message: String,
        question: &Question<'_>,
    ) -> Tried<T> {
        match i32::try_from(code) {
            Ok(rpc::UN_REGISTER) => {
                self.no_use = self.no_use.max(Some(generation));
                self.link.signals.unregistered(generation);
                Tried::Elsewhere(Error::Refused { code, message })
            }
            Ok(rpc::OVER_THRESHOLD) => Tried::Again(Error::Busy(message)),
            // A server that is starting, or has lost what it knew of us. A check will tell whether to go elsewhere. The number
            // of the first means something else in the answer to a query, so it does not get further than this.
            Ok(rpc::INVALID_SERVER_STATUS) if is_early => {
                self.link.signals.doubted(generation);
                Tried::Again(Error::Busy(message))
            }
            Ok(rpc::CLIENT_DISCONNECT) if is_early => {
                self.link.signals.doubted(generation);
                Tried::Again(Error::Refused { code, message })
            }
            Ok(rpc::NO_HANDLER) if is_early => Tried::Over(unsupported(question)),
            Ok(rpc::NOT_IMPLEMENTED) => Tried::Over(unsupported(question)),
            _ => Tried::Over(Error::Refused { code, message }),
        }
    }

    /// What it means that the time is over.
    fn out_of_time(self, within: Duration) -> Error {
        match (self.doing, self.last) {
            (Doing::Asking(generation), last) => {
                self.link.signals.doubted(generation);
                Error::Deadline { within, last: last.map(Box::new) }
            }
            (Doing::Pausing, Some(last @ (Error::Busy(_) | Error::Refused { .. }))) => last,
            (Doing::Waiting, None) => Error::NotConnected(self.link.state.borrow().failure.clone()),
            (_, last) => Error::Deadline { within, last: last.map(Box::new) },
        }
    }
}
