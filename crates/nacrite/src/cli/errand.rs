//! Runs a command that speaks with a server: its runtime, its log, what is said while it waits, and how it ends.
//!
//! Nothing here is built when a server starts.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use nacrite_client::{Client, ConnectFailure, LinkState, Phase};
use tokio::sync::watch;

use super::failure::{Failure, Kind};
use crate::observe;
use crate::server::StopSignals;

/// What takes longer than this is spoken of while it lasts.
const PATIENCE: Duration = Duration::from_secs(1);

/// Characters of a line that fits every terminal.
const LINE_LEN_MAX: usize = 79;

/// How long a client may take to end in order.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Runs a command to its end. `verbosity` is how often `-v` was said.
///
/// # Errors
/// Those of the command.
pub(crate) fn to_end(verbosity: u8, command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let levels = match verbosity {
        0 => None,
        1 => Some("warn,nacrite_client=info"),
        _ => Some("warn,nacrite_client=debug"),
    };
    if let Some(levels) = levels {
        observe::start(levels).map_err(|error| Failure::new(Kind::Failed, error.to_string()))?;
    }
    // One thread is enough for one user, and starts sooner than many.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::file("the runtime cannot be started", &error))?;
    let done = runtime.block_on(command);
    // Looking up a name can hang for long after nobody waits for it any more.
    runtime.shutdown_background();
    done
}

/// Does something with a client, and closes it in any case.
///
/// # Errors
/// Those of `work`.
pub(crate) async fn with_client<T>(
    client: Client,
    work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let done = work(&client).await;
    client.close_within(CLOSE_WITHIN).await;
    done
}

/// Waits for `work`. If it takes long, a line on standard error says so, and why, as far as the client knows; only on a
/// terminal, and the line is gone afterwards.
pub(crate) async fn patiently<'a, T>(
    what: &str,
    client: impl Into<Option<&'a Client>>,
    work: impl Future<Output = T>,
) -> T {
    let client = client.into();
    let mut work = std::pin::pin!(work);
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    let mut second = tokio::time::interval(PATIENCE);
    // The first tick comes at once.
    second.tick().await;
    let mut seconds = 0;
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                if seconds > 0 {
                    progress("");
                }
                return done;
            }
            _ = second.tick() => {
                seconds += 1;
                progress(&format!("{what} … {seconds} s{}", client.map(in_the_way).unwrap_or_default()));
            }
        }
    }
}

/// What keeps the links of a client from standing, as the end of a sentence.
fn in_the_way(client: &Client) -> String {
    let state = client.state();
    let links = state.naming.into_iter().chain(state.config);
    let failure = links.filter_map(|link| link.borrow().failure.clone()).next();
    failure.map_or_else(String::new, |failure| format!(", {failure}"))
}

/// Replaces the line that says what is going on; nothing removes it. A longer line would go on in the next one of the
/// terminal, and could not be taken back.
fn progress(line: &str) {
    let line: String = line.chars().take(LINE_LEN_MAX).collect();
    let mut err = std::io::stderr().lock();
    // Nobody is harmed if it is not seen.
    write!(err, "\r\x1b[K{line}").and_then(|()| err.flush()).ok();
}

/// Says something beside what is printed, on standard error.
pub(crate) fn note(text: &str) {
    eprintln!("nacrite: {}", super::output::harmless(text));
}

/// The signals that end a command that would go on for ever.
///
/// # Errors
/// The system does not give them.
pub(crate) fn stop_signals() -> Result<StopSignals, Failure> {
    StopSignals::new().map_err(|error| Failure::new(Kind::Failed, error.to_string()))
}

/// Waits until an attempt to connect has failed; for ever, if none does.
pub(crate) async fn not_connected(link: Option<watch::Receiver<LinkState>>) -> ConnectFailure {
    let Some(mut link) = link else {
        return std::future::pending().await;
    };
    let failed = link.wait_for(|state| state.failure.is_some()).await;
    match failed.ok().and_then(|state| state.failure.clone()) {
        Some(failure) => failure,
        None => std::future::pending().await,
    }
}

/// Tells of a link what changes: that it is lost and why, and that it stands again.
pub(crate) struct LinkNews {
    link: Option<watch::Receiver<LinkState>>,
    was_lost: bool,
}

impl LinkNews {
    /// `link` is `None` over HTTP, where there is nothing to tell.
    pub(crate) fn of(link: Option<watch::Receiver<LinkState>>) -> Self {
        Self { link, was_lost: false }
    }

    /// Waits for something to tell. May be cancelled.
    pub(crate) async fn next(&mut self) -> String {
        let Some(link) = &mut self.link else {
            return std::future::pending().await;
        };
        loop {
            if link.changed().await.is_err() {
                return std::future::pending().await;
            }
            let state = link.borrow_and_update().clone();
            if let Some(news) = news(&state, &mut self.was_lost) {
                return news;
            }
        }
    }
}

/// A link that is lost is told of once, and with the first reason.
fn news(state: &LinkState, was_lost: &mut bool) -> Option<String> {
    let server = || state.server.as_ref().map_or_else(|| "the server".to_owned(), ToString::to_string);
    match (state.phase, *was_lost) {
        (Phase::Unhealthy | Phase::Starting, false) => {
            let failure = state.failure.as_ref()?;
            *was_lost = true;
            Some(format!("{failure}; trying again"))
        }
        (Phase::Running, true) => {
            *was_lost = false;
            Some(format!("connected to {}", server()))
        }
        _ => None,
    }
}
