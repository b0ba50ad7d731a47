//! Which server is asked, how often, and what its answer means.
//!
//! Servers are asked in turn, starting with the one that answered last: beats, lists and pushes of one client then meet at
//! one server, as long as it is well. With one address, which is a name that may stand for many servers, it is asked
//! [`TRIES_OF_ONE`] times. Only what another server may do better is tried elsewhere: a request that was refused for what it
//! is, is refused everywhere, and is reported at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use nacrite_wire::client::Module;
use tracing::debug;

use super::{Call, Http, Reply};
use crate::clock;
use crate::error::Error;
use crate::link::{HeaderSource, Resource, ServerSource};
use crate::server::ServerAddress;

/// How often a single address is asked (Nacos: `namingRequestDomainMaxRetryCount`).
const TRIES_OF_ONE: usize = 3;

/// So much of a server's words is repeated in an error, in bytes.
const MESSAGE_LEN_MAX: usize = 300;

/// Asks whichever server answers. Clones share the memory of which one that is.
#[derive(Clone)]
pub(crate) struct Proxy {
    http: Http,
    servers: Arc<dyn ServerSource>,
    credentials: Arc<dyn HeaderSource>,
    context_path: Arc<str>,
    next: Arc<AtomicUsize>,
}

impl Proxy {
    /// `context_path` is `nacos` unless the operator changed it; empty stands for none.
    pub(crate) fn new(
        http: Http,
        servers: Arc<dyn ServerSource>,
        credentials: Arc<dyn HeaderSource>,
        context_path: &str,
    ) -> Self {
        let next = Arc::new(AtomicUsize::new(rand::random_range(0..usize::from(u16::MAX))));
        Self { http, servers, credentials, context_path: prefix(context_path), next }
    }

    /// The whole path of an endpoint, whose own begins with a slash.
    pub(crate) fn path(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.context_path)
    }

    /// Asks until a server answers with success, `within` which time all attempts fall. Headers are made anew for each
    /// attempt; a refusal for lack of rights is followed by one more attempt if there is a new token.
    ///
    /// # Errors
    /// That of the last attempt, if all failed.
    pub(crate) async fn call(&self, call: &Call<'_>, resource: Resource<'_>, within: Duration) -> Result<Reply, Error> {
        let servers = self.servers.current();
        if servers.is_empty() {
            return Err(Error::NotConnected(None));
        }
        let end = clock::now() + within;
        let (first, tries) =
            (self.next.load(Ordering::Relaxed), if servers.len() == 1 { TRIES_OF_ONE } else { servers.len() });
        let mut last = None;
        for turn in 0..tries {
            let left = end.saturating_duration_since(clock::now());
            if left.is_zero() {
                break;
            }
            let at = first.wrapping_add(turn);
            let server = &servers[at % servers.len()];
            match self.attempt(server, call, resource, share(left, tries - turn)).await {
                Ok(reply) => {
                    self.next.store(at, Ordering::Relaxed);
                    return Ok(reply);
                }
                Err(error) if is_final(&error) || !(call.is_repeatable() || was_not_sent(&error)) => return Err(error),
                Err(error) => {
                    debug!(%server, %error, path = call.path(), "a server did not answer as it should");
                    last = Some(error);
                }
            }
        }
        // The next call begins elsewhere.
        self.next.store(first.wrapping_add(1), Ordering::Relaxed);
        let deadline = |last| Error::Deadline { within, last };
        Err(match last {
            None | Some(Error::Deadline { last: None, .. }) => deadline(None),
            Some(Error::Deadline { last, .. }) => deadline(last),
            Some(error) if end <= clock::now() => deadline(Some(Box::new(error))),
            Some(error) => naming_all(error, &servers),
        })
    }

    /// Asks the server that answered last, once, for as long as `within`. The next call asks another one after a failure.
    ///
    /// # Errors
    /// That of the attempt.
    pub(crate) async fn call_one(
        &self,
        call: &Call<'_>,
        resource: Resource<'_>,
        within: Duration,
    ) -> Result<Reply, Error> {
        let servers = self.servers.current();
        if servers.is_empty() {
            return Err(Error::NotConnected(None));
        }
        let at = self.next.load(Ordering::Relaxed);
        let asked = self.attempt(&servers[at % servers.len()], call, resource, within).await;
        if asked.as_ref().is_err_and(|error| !is_final(error)) {
            self.next.store(at.wrapping_add(1), Ordering::Relaxed);
        }
        asked
    }

    async fn attempt(
        &self,
        server: &ServerAddress,
        call: &Call<'_>,
        resource: Resource<'_>,
        within: Duration,
    ) -> Result<Reply, Error> {
        let end = clock::now() + within;
        let mut may_replay = true;
        loop {
            let left = end.saturating_duration_since(clock::now());
            let signed = tokio::time::timeout(left, self.credentials.headers(resource)).await;
            let identity = in_http(signed.map_err(|_| Error::Deadline { within, last: None })??);
            let signed = call.with(&identity, |name| is_param(resource.module, name));
            let left = end.saturating_duration_since(clock::now());
            let failure = match self.http.send(server, &signed, left).await.and_then(|reply| judge(call.path(), reply))
            {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            let is_new = may_replay
                && matches!(failure, Error::Denied(_))
                && tokio::time::timeout_at(end, self.credentials.refused()).await.unwrap_or(false);
            if !is_new {
                return Err(failure);
            }
            may_replay = false;
        }
    }
}

fn prefix(context_path: &str) -> Arc<str> {
    match context_path.trim_matches('/') {
        "" => "".into(),
        path => format!("/{path}").into(),
    }
}

/// How long one attempt may take: an equal share of what is left, so that a server that hangs leaves time for the others.
fn share(left: Duration, tries_left: usize) -> Duration {
    left / u32::try_from(tries_left).unwrap_or(u32::MAX).max(1)
}

/// What over gRPC is the header `accessToken`, goes over HTTP also as the header that every generation of servers knows.
fn in_http(mut identity: Vec<(String, String)>) -> Vec<(String, String)> {
    let token = identity.iter().find(|(name, _)| name == "accessToken");
    if let Some(bearer) = token.map(|(_, token)| format!("Bearer {token}")) {
        identity.push(("Authorization".to_owned(), bearer));
    }
    identity
}

/// Signatures are parameters for naming and headers for config. Tokens are headers always: parameters of a request without
/// a body stand in its URL, and URLs stand in logs.
fn is_param(module: Module, name: &str) -> bool {
    module == Module::Naming && matches!(name, "ak" | "data" | "signature" | "signatureVersion")
}

/// Whether no other server, and no second attempt, would do better.
const fn is_final(error: &Error) -> bool {
    match error {
        Error::Invalid(_)
        | Error::Denied(_)
        | Error::LoginRefused { .. }
        | Error::ConfigRaced
        | Error::Unsupported(_)
        | Error::Closed => true,
        Error::Refused { code, .. } => *code < 500,
        _ => false,
    }
}

/// Whether the server cannot have done anything.
const fn was_not_sent(error: &Error) -> bool {
    matches!(error, Error::NotConnected(_))
}

/// What a status means.
fn judge(path: &str, reply: Reply) -> Result<Reply, Error> {
    let status = reply.status;
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(reply);
    }
    let message = message(&reply);
    Err(match status {
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Error::Denied(message),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Error::Busy(message),
        StatusCode::GONE | StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED => {
            Error::Unsupported(format!("{path}: {status} {message}"))
        }
        _ => Error::Refused { code: status.as_u16().into(), message },
    })
}

/// The server's words about a failure: a text, or one field of an object, cut to what fits in a line.
pub(crate) fn message(reply: &Reply) -> String {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Words {
        #[serde(deserialize_with = "nacrite_wire::lenient::owned_text")]
        message: Option<Box<str>>,
        data: serde_json::Value,
    }

    if reply.status.is_redirection() {
        return "the server sends elsewhere; name that place as its address (http or https, host and port)".to_owned();
    }
    let text = String::from_utf8_lossy(&reply.body);
    let text = text.trim();
    let words = if text.starts_with('{') { serde_json::from_str(text).unwrap_or_default() } else { Words::default() };
    // A gateway of some servers wraps one refusal in another (recorded: status 410).
    let inner = words.message.as_deref().and_then(|message| serde_json::from_str::<Words>(message).ok());
    let words = inner.filter(|inner| inner.message.is_some()).unwrap_or(words);
    let said = match (words.message, words.data.as_str()) {
        (Some(message), Some(data)) => format!("{message}: {data}"),
        (Some(message), None) => message.into(),
        _ => text.to_owned(),
    };
    let mut line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > MESSAGE_LEN_MAX {
        line.truncate(line.floor_char_boundary(MESSAGE_LEN_MAX));
        line.push('…');
    }
    line
}

/// A failure of all servers says which ones those were.
fn naming_all(error: Error, servers: &[ServerAddress]) -> Error {
    let Error::Refused { code, message } = error else {
        return error;
    };
    let names: Vec<_> = servers.iter().map(ToString::to_string).collect();
    Error::Refused { code, message: format!("{message} (asked {})", names.join(", ")) }
}

#[cfg(test)]
mod tests;
