//! `round_robin`: one after the other. Weights do not matter, but for weight 0, which takes no calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::endpoint::Member;
use crate::policy::standing::Standing;
use crate::policy::{Call, Pick, Picker, Policy, Wanted};

/// One after the other.
#[derive(Debug)]
pub struct RoundRobin {
    /// Whose turn it is. Shared by all pickers, so that a change of the list does not send calls to its beginning again.
    turn: Arc<AtomicUsize>,
}

impl RoundRobin {
    /// The name in service configs.
    pub const NAME: &str = "round_robin";
}

impl Default for RoundRobin {
    /// Begins anywhere: many clients that start at once do not begin with the same endpoint.
    fn default() -> Self {
        Self { turn: Arc::new(AtomicUsize::new(usize::from(rand::random::<u16>()))) }
    }
}

impl Policy for RoundRobin {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn wanted(&self, _: &[Member]) -> Wanted {
        Wanted::All
    }

    fn picker(&self, members: &[Member]) -> Arc<dyn Picker> {
        Standing::picker(members, |takers| Arc::new(Rotation::new(takers.into(), Arc::clone(&self.turn))))
    }
}

/// Walks along a list of places, round and round.
#[derive(Debug)]
pub(super) struct Rotation {
    /// Never empty.
    places: Box<[u32]>,
    turn: Arc<AtomicUsize>,
}

impl Rotation {
    pub(super) fn new(places: Box<[u32]>, turn: Arc<AtomicUsize>) -> Self {
        Self { places, turn }
    }
}

impl Picker for Rotation {
    fn pick(&self, _: &Call<'_>) -> Pick {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        match turn.checked_rem(self.places.len()).and_then(|at| self.places.get(at)) {
            Some(place) => Pick::Take(*place as usize),
            None => Pick::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{connecting, failed, ready, shares};

    #[test]
    fn all_get_the_same() {
        let members: Vec<Member> = (1..=5).map(ready).collect();
        assert_eq!(shares(&RoundRobin::default(), &members, 1_000), [200; 5]);
    }

    #[test]
    fn shares_stay_equal_while_members_come_and_go() {
        let policy = RoundRobin::default();
        let mut members: Vec<Member> = (1..=4).map(ready).collect();
        assert_eq!(shares(&policy, &members, 100), [25; 4]);
        members[1] = failed(2);
        assert_eq!(shares(&policy, &members, 99), [33, 0, 33, 33]);
        members.remove(0);
        members.push(connecting(5));
        assert_eq!(shares(&policy, &members, 100), [0, 50, 50, 0]);
        members[3] = ready(5);
        assert_eq!(shares(&policy, &members, 99), [0, 33, 33, 33]);
    }

    #[test]
    fn new_picker_goes_on_where_the_last_one_was() {
        let policy = RoundRobin::default();
        let members: Vec<Member> = (1..=3).map(ready).collect();
        let picks: Vec<Pick> = (0..3).map(|_| policy.picker(&members).pick(&Call::default())).collect();
        assert!(picks[0] != picks[1] && picks[1] != picks[2] && picks[2] != picks[0], "{picks:?}");
    }
}
