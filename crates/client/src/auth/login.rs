//! Logs in with name and password, and keeps the token that comes of it.
//!
//! There is one login at a time; whoever needs a token meanwhile waits for it. A token is renewed by the first request that
//! comes in the last tenth to fifteenth of its life, chosen at random, so that a fleet that was started at once does not log
//! in at once; the others go on with the old one. No task and no timer: an idle client needs no token.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Secret, User};
use crate::clock;
use crate::error::Error;
use crate::failure::{ConnectFailure, Layer};
use crate::http::{Call, Http, Reply, proxy};
use crate::link::ServerSource;
use crate::server::ServerAddress;

/// How long a login may take, over all servers. Longer than a request: the server compares a slow hash.
const LOGIN_WITHIN: Duration = Duration::from_secs(5);

/// After a refused login the next one waits this long, so that a wrong password does not lock the user out sooner than need
/// be. Nacos looks every 5 s.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// After a login that reached nobody, the next one waits this long.
const UNREACHED_PAUSE: Duration = Duration::from_millis(200);

/// A request that was refused this shortly after a token was replaced may have had the old one.
const YOUNG: Duration = Duration::from_secs(2);

/// After a login because of a refusal the next refusal is believed for this long: it is the right that lacks, not the token.
/// Nacos waits for 60 s after any login, in which a server that came back with another signing key locks its clients out.
const BELIEVED: Duration = Duration::from_secs(20);

/// Life of a token that does not say how long it lives.
const TTL_UNKNOWN: Duration = Duration::from_secs(1800);

/// A token that lives longer is renewed all the same: a login a month costs nothing, and no sum of times overflows.
const TTL_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Where servers of the third generation log in, and the older ones.
const PATHS: [&str; 2] = ["/v3/auth/user/login", "/v1/auth/users/login"];

/// A token and its life.
#[derive(Clone, Debug)]
struct Held {
    /// Absent if no server knows of logins: then it is asked without one.
    token: Option<Secret>,
    since: Instant,
    /// Whether there was another one before.
    is_replacement: bool,
    renew_after: Duration,
    ttl: Duration,
}

/// How good a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    /// Still good, but to be renewed.
    Due,
    Expired,
}

impl Held {
    /// `jitter` from 0 to 1 chooses when it is renewed.
    fn new(token: Option<Secret>, ttl: Duration, now: Instant, jitter: f64) -> Self {
        let window = ttl / 15 + (ttl / 10 - ttl / 15).mul_f64(jitter);
        Self { token, since: now, is_replacement: false, renew_after: ttl - window, ttl }
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    fn standing(&self, now: Instant) -> Standing {
        match self.age(now) {
            age if age < self.renew_after => Standing::Good,
            age if age < self.ttl => Standing::Due,
            _ => Standing::Expired,
        }
    }
}

/// Why the last login failed, to be told to those who come too soon after it.
#[derive(Clone, Debug)]
enum Failure {
    Refused { user: Box<str>, is_locked: bool, message: String },
    Unreached(Option<ConnectFailure>),
}

impl Failure {
    fn error(&self) -> Error {
        match self {
            Self::Refused { user, is_locked, message } => {
                Error::LoginRefused { user: user.to_string(), is_locked: *is_locked, message: message.clone() }
            }
            Self::Unreached(failure) => Error::NotConnected(failure.clone()),
        }
    }

    const fn pause(&self) -> Duration {
        match self {
            Self::Refused { .. } => REFUSED_PAUSE,
            Self::Unreached(_) => UNREACHED_PAUSE,
        }
    }
}

/// What is remembered of earlier logins.
#[derive(Debug, Default)]
struct Past {
    /// How the last one failed; `None` once one succeeded.
    failure: Option<(Instant, Failure)>,
    /// When the last one was that a refusal gave rise to.
    for_refusal: Option<Instant>,
}

/// The login of one user.
pub(super) struct Login {
    user: User,
    http: Http,
    servers: Arc<dyn ServerSource>,
    context_path: Box<str>,
    held: Mutex<Option<Held>>,
    /// Held while a login is under way.
    flight: tokio::sync::Mutex<Past>,
}

impl Login {
    pub(super) fn new(user: User, http: Http, servers: Arc<dyn ServerSource>, context_path: &str) -> Self {
        let context_path = match context_path.trim_matches('/') {
            "" => "".into(),
            path => format!("/{path}").into(),
        };
        Self { user, http, servers, context_path, held: Mutex::default(), flight: tokio::sync::Mutex::default() }
    }

    fn held(&self) -> Option<Held> {
        self.held.lock().clone()
    }

    /// The token to be shown now.
    ///
    /// # Errors
    /// [`Error::LoginRefused`] if name or password are wrong, [`Error::NotConnected`] if no server answered.
    pub(super) async fn token(&self) -> Result<Option<Secret>, Error> {
        let held = self.held();
        match held.as_ref().map_or(Standing::Expired, |held| held.standing(clock::now())) {
            Standing::Good => {}
            Standing::Due => {
                // Whoever comes first renews; a failure is no harm yet.
                if let Ok(mut flight) = self.flight.try_lock()
                    && let Err(error) = self.log_in(&mut flight).await
                {
                    debug!(%error, "the token could not be renewed yet");
                }
            }
            Standing::Expired => {
                let mut flight = self.flight.lock().await;
                let is_there = self.held().is_some_and(|held| held.standing(clock::now()) != Standing::Expired);
                if !is_there {
                    self.log_in(&mut flight).await?;
                }
            }
        }
        Ok(self.held().and_then(|held| held.token))
    }

    /// Is told that a request was not allowed. Returns whether there is a newer token than it can have had.
    pub(super) async fn refused(&self) -> bool {
        let since = self.held().map(|held| held.since);
        let mut flight = self.flight.lock().await;
        let held = self.held();
        if held.as_ref().map(|held| held.since) != since {
            return true;
        }
        let now = clock::now();
        if held.is_some_and(|held| held.is_replacement && held.age(now) < YOUNG) {
            return true;
        }
        if flight.for_refusal.is_some_and(|at| now.saturating_duration_since(at) < BELIEVED) {
            return false;
        }
        flight.for_refusal = Some(now);
        self.log_in(&mut flight).await.is_ok()
    }

    async fn log_in(&self, past: &mut Past) -> Result<(), Error> {
        let now = clock::now();
        if let Some((at, failure)) = &past.failure
            && now.saturating_duration_since(*at) < failure.pause()
        {
            return Err(failure.error());
        }
        match self.ask_all().await {
            Ok((token, ttl)) => {
                past.failure = None;
                let mut held = self.held.lock();
                let new = Held::new(token, ttl, clock::now(), rand::random());
                *held = Some(Held { is_replacement: held.is_some(), ..new });
                Ok(())
            }
            Err(failure) => {
                let error = failure.error();
                past.failure = Some((clock::now(), failure));
                Err(error)
            }
        }
    }

    /// Asks the servers in the order of the list; the first success counts.
    async fn ask_all(&self) -> Result<(Option<Secret>, Duration), Failure> {
        let servers = self.servers.current();
        let end = clock::now() + LOGIN_WITHIN;
        let mut failure = Failure::Unreached(None);
        let mut knows_none = false;
        for (turn, server) in servers.iter().enumerate() {
            let left = end.saturating_duration_since(clock::now());
            let share = left / u32::try_from(servers.len() - turn).unwrap_or(u32::MAX).max(1);
            match self.ask(server, share).await {
                Ok(Some((token, ttl))) => {
                    info!(%server, user = %self.user.name, ttl_s = ttl.as_secs(), "logged in");
                    return Ok((Some(token), ttl));
                }
                Ok(None) => knows_none = true,
                Err(new) => {
                    debug!(%server, user = %self.user.name, ?new, "a server did not log in");
                    // What a server said about the login is worth more than that another one could not be reached.
                    if !matches!(failure, Failure::Refused { .. }) {
                        failure = new;
                    }
                }
            }
        }
        if knows_none && !matches!(failure, Failure::Refused { .. }) {
            warn!(user = %self.user.name, "the servers know of no logins; they are asked without");
            return Ok((None, TTL_UNKNOWN));
        }
        Err(failure)
    }

    /// Logs in at one server; `None` if it knows of no logins.
    async fn ask(&self, server: &ServerAddress, within: Duration) -> Result<Option<(Secret, Duration)>, Failure> {
        for path in PATHS {
            // The name stands in the URL, as every official client has it; the password never does. Each stands in one
            // place: a server that finds a parameter twice takes both values as one.
            let call = Call::post(format!("{}{path}", self.context_path))
                .query("username", &*self.user.name)
                .form("password", self.user.password.expose());
            let reply = self.http.send(server, &call, within).await.map_err(|error| unreached(server, &error))?;
            if !matches!(reply.status, StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED) {
                return self.read(server, &reply).map(Some);
            }
        }
        Ok(None)
    }

    fn read(&self, server: &ServerAddress, reply: &Reply) -> Result<(Secret, Duration), Failure> {
        if reply.status.is_success()
            && let Some(token) = token_in(&reply.body)
        {
            return Ok(token);
        }
        let password = self.user.password.expose();
        let said = match proxy::message(reply) {
            // The answer of a success could hold a token after all.
            _ if reply.status.is_success() => "there is no token in the answer".to_owned(),
            // Pages that are meant for developers show what was sent.
            said if !password.is_empty() && said.contains(password) => "in words that repeat the password".to_owned(),
            said => said,
        };
        let message = match reply.status.as_u16() {
            // The server itself is not there, or not yet.
            status @ 502..=504 => {
                let cause = format!("{status} {said}");
                let failure = ConnectFailure { server: server.clone(), layer: Layer::Login, cause };
                return Err(Failure::Unreached(Some(failure)));
            }
            // Recorded: `v3/auth-login`.
            500 => format!("500 {said} (some servers answer so to a wrong name or password)"),
            status => format!("{status} {said}"),
        };
        let is_locked = matches!(reply.status.as_u16(), 423 | 429) || message.to_ascii_lowercase().contains("locked");
        Err(Failure::Refused { user: self.user.name.clone(), is_locked, message })
    }
}

fn unreached(server: &ServerAddress, error: &Error) -> Failure {
    let cause = match error {
        Error::NotConnected(Some(failure)) => failure.cause.clone(),
        other => other.to_string(),
    };
    Failure::Unreached(Some(ConnectFailure { server: server.clone(), layer: Layer::Login, cause }))
}

/// The token in the answer to a login: a field of its own, or, from servers that know users from elsewhere, as data.
pub(crate) fn token_in(body: &[u8]) -> Option<(Secret, Duration)> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Body {
        #[serde(deserialize_with = "nacrite_wire::lenient::owned_text")]
        access_token: Option<Box<str>>,
        #[serde(deserialize_with = "nacrite_wire::lenient::whole")]
        token_ttl: i64,
        data: serde_json::Value,
    }

    let body: Body = serde_json::from_slice(body).ok()?;
    let bearer = || body.data.as_str().and_then(|data| data.strip_prefix("Bearer ")).map(Box::from);
    let token = body.access_token.or_else(bearer).filter(|token| !token.is_empty())?;
    let ttl = u64::try_from(body.token_ttl).ok().filter(|ttl_s| *ttl_s > 0);
    let ttl = ttl.map_or(TTL_UNKNOWN, Duration::from_secs).min(TTL_MAX);
    Some((Secret(token), ttl))
}

#[cfg(test)]
mod tests;
