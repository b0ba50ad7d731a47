//! What connections and callers tell the driver of a link.
//!
//! Of each kind one signal waits at most: the one about the newest connection. So nothing grows, nobody waits, and no
//! signal is lost that would still matter.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::link::phase::{Input, Redirect};
use crate::session::Generation;

/// Signals on their way to the driver.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    ended: Option<(Generation, String)>,
    unregistered: Option<Generation>,
    doubted: Option<Generation>,
    reset: Option<(Generation, Option<Redirect>)>,
}

impl Signals {
    /// A connection ended by itself.
    pub(crate) fn ended(&self, generation: Generation, cause: String) {
        self.tell(|waiting| {
            if waiting.ended.as_ref().is_none_or(|(known, _)| *known < generation) {
                waiting.ended = Some((generation, cause));
            }
        });
    }

    /// A server answered that it does not know the connection.
    pub(crate) fn unregistered(&self, generation: Generation) {
        self.tell(|waiting| waiting.unregistered = waiting.unregistered.max(Some(generation)));
    }

    /// A request was not answered.
    pub(crate) fn doubted(&self, generation: Generation) {
        self.tell(|waiting| waiting.doubted = waiting.doubted.max(Some(generation)));
    }

    /// A server asks its client to leave. A second wish of the same server is lost: the first is being fulfilled.
    pub(crate) fn reset(&self, generation: Generation, to: Option<Redirect>) {
        self.tell(|waiting| {
            if waiting.reset.is_none_or(|(known, _)| known < generation) {
                waiting.reset = Some((generation, to));
            }
        });
    }

    fn tell(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.waiting.lock());
        self.bell.notify_one();
    }

    /// Waits for signals and takes all that wait. Of an end and a doubt, the end comes first: there is nothing to check.
    pub(crate) async fn next(&self) -> Vec<Input> {
        loop {
            let waiting = std::mem::take(&mut *self.waiting.lock());
            let ended = waiting.ended.map(|(generation, cause)| Input::Ended { generation, cause });
            let unregistered = waiting.unregistered.map(|generation| Input::Unregistered { generation });
            let reset = waiting.reset.map(|(generation, to)| Input::Reset { generation, to });
            let doubted = waiting.doubted.map(|generation| Input::Doubted { generation });
            let inputs: Vec<_> = ended.into_iter().chain(unregistered).chain(reset).chain(doubted).collect();
            if !inputs.is_empty() {
                return inputs;
            }
            self.bell.notified().await;
        }
    }
}
