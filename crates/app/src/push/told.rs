//! What one client knows of one service, and what became of the last push.
//!
//! Small on purpose: there is one per subscription. Whoever wants more than the last of everything looks at the ledger.

use std::num::NonZeroU64;
use std::time::Duration;

use nacrite_base::Timestamp;

/// What became of the last word to a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// The client was not told of anything yet.
    #[default]
    None,
    /// It was given the list in the answer to its subscription.
    Answered,
    /// It acknowledged the list.
    Acknowledged,
    /// It refused the list.
    Refused,
    /// It said nothing.
    Unacknowledged,
}

/// What a client is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Nothing is under way.
    ForNothing,
    /// It must be told, and takes nothing at present.
    ToBeSent,
    /// It was sent a list then, and did not answer yet.
    SentAt(Timestamp),
}

/// What a client knows of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The push under way.
    pub(crate) under_way: Option<NonZeroU64>,
    /// The newest revision that the client has: 0 for none.
    pub revision: u64,
    /// How long it took to reach it, in ms; `u32::MAX` if that was in an answer.
    latency_ms: u32,
    /// Pushes in vain since it took one.
    pub in_vain: u16,
    /// What became of the last word.
    pub fate: Fate,
}

impl Told {
    /// How long the newest revision took to the client; `None` if it was given in an answer.
    #[must_use]
    pub fn latency_ms(&self) -> Option<u32> {
        Some(self.latency_ms).filter(|ms| *ms != u32::MAX && self.fate != Fate::None)
    }

    pub(crate) fn answered_with(&mut self, revision: u64) {
        if revision > self.revision || self.fate == Fate::None {
            *self =
                Self { under_way: self.under_way, revision, latency_ms: u32::MAX, in_vain: 0, fate: Fate::Answered };
        }
    }

    /// Returns how long it took, if the client did not know it before.
    pub(crate) fn took(&mut self, revision: u64, after: Duration) -> Option<Duration> {
        let is_news = revision > self.revision;
        (self.fate, self.in_vain) = (Fate::Acknowledged, 0);
        if is_news {
            self.revision = revision;
            self.latency_ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX - 1).min(u32::MAX - 1);
        }
        is_news.then_some(after)
    }

    pub(crate) fn failed(&mut self, how: Fate) {
        self.in_vain = self.in_vain.saturating_add(1);
        self.fate = how;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_one_per_subscription() {
        assert!(size_of::<Told>() <= 24, "{}", size_of::<Told>());
    }

    #[test]
    fn what_a_client_knew_is_no_news() {
        let mut told = Told::default();
        told.answered_with(5);
        assert_eq!(told.took(5, Duration::from_secs(3600)), None, "the welcome");
        assert_eq!((told.fate, told.latency_ms()), (Fate::Acknowledged, None));
        told.failed(Fate::Refused);
        told.failed(Fate::Unacknowledged);
        assert_eq!((told.in_vain, told.revision), (2, 5));
        assert_eq!(told.took(6, Duration::from_millis(7)), Some(Duration::from_millis(7)));
        assert_eq!((told.in_vain, told.revision, told.latency_ms()), (0, 6, Some(7)));
        told.answered_with(6);
        assert_eq!(told.latency_ms(), Some(7), "an answer with what it knows changes nothing");
    }
}
