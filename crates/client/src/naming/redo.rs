//! Brings the server to hold what is wanted: one task per naming client, which asks for whatever [`Desired`] says, on the
//! connection that stands, and tells it the answers.
//!
//! A new connection gets everything at once. The task holds no state of its own besides the questions that are open.
//!
//! [`Desired`]: super::desired::Desired

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::desired::{Job, What};
use super::door::Door;
use super::publication::Publish;
use super::shared::Shared;
use super::wish::Outcome;
use crate::clock;
use crate::error::Error;
use crate::tasks::Tasks;

/// Runs until the tasks are to stop.
pub(super) async fn run(shared: Arc<Shared>, door: Door, tasks: Tasks) {
    let mut sessions = door.sessions();
    let mut open: FuturesUnordered<BoxFuture<'_, (Job, Outcome)>> = FuturesUnordered::new();
    loop {
        let (generation, failure) = (sessions.current(), sessions.failure());
        let now = clock::now();
        let (jobs, wake_at) = shared.with_book(|book| {
            book.desired.session(generation);
            book.desired.explain(failure.as_ref());
            let jobs = book.desired.begin(now);
            book.backlog.update(now, book.desired.waiting());
            (jobs, book.desired.wake_at())
        });
        open.extend(jobs.into_iter().map(|job| door.ask(&shared, job)));
        let release_at = shared.release(now);
        shared.taken_back.notify_waiters();
        tokio::select! {
            () = tasks.stopping() => break,
            () = sessions.changed() => {}
            () = shared.bell.notified() => {}
            Some(ended) = open.next() => {
                end(&shared, &ended);
                // Answers that are there already are taken together: deciding costs a pass over everything.
                while let Some(Some(ended)) = futures_util::FutureExt::now_or_never(open.next()) {
                    end(&shared, &ended);
                }
            }
            () = sleep_until(wake_at.into_iter().chain(release_at).min()) => {}
        }
    }
    drop(open);
    door.end();
    shared.end();
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn end(shared: &Shared, (job, outcome): &(Job, Outcome)) {
    match outcome {
        Outcome::Done => debug!(generation = %job.generation, what = job.what.name(), "done"),
        Outcome::Failed(error) if matches!(**error, Error::NotConnected(_)) => {}
        Outcome::Failed(error) | Outcome::Refused(error) => {
            let for_good = matches!(outcome, Outcome::Refused(_));
            warn!(generation = %job.generation, what = job.what.name(), of = job.what.of(), %error, for_good, "failed");
        }
    }
    let now = clock::now();
    shared.with_book(|book| book.desired.end(now, job, outcome));
}

impl What {
    fn name(&self) -> &'static str {
        match self {
            Self::Publish(_, Publish::Put(..)) => "register",
            Self::Publish(_, Publish::Take(_)) => "deregister",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
            Self::Watch(_) => "watch",
            Self::CancelWatch(_) => "cancel watch",
        }
    }

    fn of(&self) -> String {
        match self {
            Self::Publish(service, _) | Self::Subscribe(service) | Self::Unsubscribe(service) => service.to_string(),
            Self::Watch(pattern) | Self::CancelWatch(pattern) => pattern.to_string(),
        }
    }
}
