//! Things that are due at a time, in order.

use std::collections::BTreeMap;

use nacrite_base::Timestamp;

/// Things by the time at which they are due; of two at the same time, the first to come goes first.
#[derive(Debug)]
pub(crate) struct Delayed<T> {
    by_time: BTreeMap<(Timestamp, u64), T>,
    next: u64,
}

impl<T> Default for Delayed<T> {
    fn default() -> Self {
        Self { by_time: BTreeMap::new(), next: 0 }
    }
}

impl<T> Delayed<T> {
    /// Adds a thing. Returns whether it is now the first that is due.
    pub(crate) fn push(&mut self, due: Timestamp, thing: T) -> bool {
        let is_first = self.next_due().is_none_or(|first| due < first);
        self.by_time.insert((due, self.next), thing);
        self.next += 1;
        is_first
    }

    /// When the first is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.by_time.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes the first if it is due.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<T> {
        self.pop_due_at(now).map(|(_, thing)| thing)
    }

    /// Takes the first if it is due, and when it was.
    pub(crate) fn pop_due_at(&mut self, now: Timestamp) -> Option<(Timestamp, T)> {
        if self.next_due()? <= now { self.by_time.pop_first().map(|((due, _), thing)| (due, thing)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_out_when_they_are_due_and_in_order() {
        let at = Timestamp::from_ms;
        let mut delayed = Delayed::default();
        assert!(delayed.push(at(5), "b"));
        assert!(!delayed.push(at(5), "c"));
        assert!(delayed.push(at(1), "a"));
        assert_eq!(delayed.pop_due(at(0)), None);
        let out: Vec<_> = std::iter::from_fn(|| delayed.pop_due(at(5))).collect();
        assert_eq!(out, ["a", "b", "c"]);
    }
}
