//! One check of one instance: a connection, and what is said over it.
//!
//! Says what was found and why, in a sentence for people; how often to check and what follows is decided elsewhere. The
//! sorting of failures into those that count and those that are certain is Nacos's (`reference/semantics.md`, 3.2).

use std::future::Future;
use std::io;

use nacrite_base::Checker;
use nacrite_env::dial::{Dial, Stream};
use nacrite_naming::probe::Verdict;

use super::{http, mysql};
use crate::limits::CHECK_STEP_WITHIN;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) verdict: Verdict,
    /// What happened, for people.
    pub(crate) detail: String,
}

impl Found {
    pub(super) fn new(verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { verdict, detail: detail.into() }
    }
}

/// Checks an instance. `None` is returned only for the checker that checks nothing.
pub(crate) async fn check(dial: &dyn Dial, host: &str, port: u16, checker: &Checker) -> Option<Found> {
    let address = address(host, port);
    let checked = match checker {
        Checker::None => return None,
        Checker::Tcp => connect(dial, host, port, &address).await.map(|_| format!("connected to {address}")),
        Checker::Http(ask) => match connect(dial, host, port, &address).await {
            Ok(stream) => http::ask(stream, &address, ask).await,
            Err(found) => Err(found),
        },
        Checker::Mysql(ask) => match connect(dial, host, port, &address).await {
            Ok(stream) => mysql::ask(stream, &address, ask).await,
            Err(found) => Err(found),
        },
    };
    Some(checked.map_or_else(|found| found, |detail| Found::new(Verdict::Passed, detail)))
}

/// `host:port`, with brackets around an IPv6 address.
fn address(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

async fn connect(dial: &dyn Dial, host: &str, port: u16, address: &str) -> Result<Box<dyn Stream>, Found> {
    match tokio::time::timeout(CHECK_STEP_WITHIN, dial.dial(host, port)).await {
        Err(_) => Err(too_slow(&format!("no connection to {address}"))),
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(Found::new(Verdict::Down, format!("connection refused by {address}")))
        }
        Ok(Err(error)) => Err(broken(&error, &format!("no connection to {address}"))),
    }
}

/// Does one step of a check, within the time that a step may take.
pub(super) async fn step<T>(what: &str, step: impl Future<Output = io::Result<T>>) -> Result<T, Found> {
    match tokio::time::timeout(CHECK_STEP_WITHIN, step).await {
        Err(_) => Err(too_slow(what)),
        Ok(Err(error)) => Err(broken(&error, what)),
        Ok(Ok(done)) => Ok(done),
    }
}

fn too_slow(what: &str) -> Found {
    Found::new(Verdict::Slow, format!("{what} within {} ms", CHECK_STEP_WITHIN.as_millis()))
}

fn broken(error: &io::Error, what: &str) -> Found {
    let verdict = if error.kind() == io::ErrorKind::TimedOut { Verdict::Slow } else { Verdict::Failed };
    Found::new(verdict, format!("{what}: {error}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use nacrite_env::dial::{Behaviour, FakeNetwork};

    #[track_caller]
    pub(in crate::health) fn same(found: &Found, verdict: Verdict, detail: &str) {
        assert_eq!((found.verdict, found.detail.as_str()), (verdict, detail));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_enough_and_its_absence_has_a_reason() {
        let network = FakeNetwork::default();
        let check = async |host| check(&network, host, 80, &Checker::Tcp).await.expect("checked");
        network.set("up", 80, Behaviour::Serves(std::sync::Arc::new(|_| Box::pin(std::future::ready(())))));
        network.set("silent", 80, Behaviour::Silent);
        network.set("lost", 80, Behaviour::Unreachable);
        same(&check("up").await, Verdict::Passed, "connected to up:80");
        same(&check("10.0.0.1").await, Verdict::Down, "connection refused by 10.0.0.1:80");
        same(&check("::1").await, Verdict::Down, "connection refused by [::1]:80");
        same(&check("silent").await, Verdict::Slow, "no connection to silent:80 within 500 ms");
        same(&check("lost").await, Verdict::Failed, "no connection to lost:80: host unreachable");
    }
}
