//! `pick_first`: one endpoint takes all calls, the first of the list that can be reached; it is kept as long as it stands.
//!
//! Endpoints are tried one after the other. When all have failed they are tried again as their pauses end, and calls fail
//! meanwhile (gRFC A62). Unlike other clients an empty list or an error of the resolver closes no connection: that is the
//! business of whoever holds the list.

use std::sync::Arc;

use xxhash_rust::xxh64::xxh64;

use crate::endpoint::{Connectivity, Member};
use crate::json::{Invalid, Node};
use crate::policy::standing::{Always, without_takers};
use crate::policy::{Pick, Picker, Policy, Wanted};

/// One takes all.
#[derive(Debug, Default)]
pub struct PickFirst {
    /// By what the order is changed; `None` if it is not.
    shuffle: Option<u64>,
}

impl PickFirst {
    /// The name in service configs.
    pub const NAME: &str = "pick_first";

    /// Tries endpoints in an order of its own, so that not all clients choose the same one. The order stays the same for
    /// the same endpoints: a new list does not lead away from the one that is connected.
    #[must_use]
    pub fn shuffled(seed: u64) -> Self {
        Self { shuffle: Some(seed) }
    }

    /// Reads `{"shuffleAddressList": true}`.
    ///
    /// # Errors
    /// A field is not as it must be.
    pub fn parse(config: &Node<'_>) -> Result<Self, Invalid> {
        let shuffle = config.get("shuffleAddressList")?.map(|node| node.truth()).transpose()?;
        Ok(if shuffle == Some(true) { Self::shuffled(rand::random()) } else { Self::default() })
    }

    /// Which one it is about: the one that is ready, being connected or next to be tried; `None` if all have failed and
    /// wait.
    fn chosen(&self, members: &[Member]) -> Option<usize> {
        let weighing = |member: &&(usize, &Member)| member.1.endpoint.share() > 0.0;
        let all: Vec<(usize, &Member)> = members.iter().enumerate().collect();
        let spared: Vec<_> = all.iter().filter(weighing).filter(|(_, member)| !member.ejected).collect();
        let candidates = if spared.is_empty() { all.iter().filter(weighing).collect() } else { spared };
        let open = candidates.into_iter().filter_map(|(at, member)| {
            let rank = match member.state {
                Connectivity::Ready => 0,
                Connectivity::Connecting => 1,
                // What failed before is tried after all others.
                Connectivity::Idle if member.reason.is_none() => 2,
                Connectivity::Idle => 3,
                Connectivity::TransientFailure | Connectivity::Shutdown => return None,
            };
            Some((rank, self.order(*at, member), *at))
        });
        open.min().map(|(_, _, at)| at)
    }

    /// The place of a member in the order of trying.
    fn order(&self, at: usize, member: &Member) -> u64 {
        let shuffled = |seed| xxh64(member.endpoint.to_string().as_bytes(), seed);
        self.shuffle.map_or(at as u64, shuffled)
    }
}

impl Policy for PickFirst {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn wanted(&self, members: &[Member]) -> Wanted {
        match self.chosen(members) {
            Some(place) => Wanted::Only(vec![place]),
            None => Wanted::All,
        }
    }

    fn picker(&self, members: &[Member]) -> Arc<dyn Picker> {
        let ready = self.chosen(members).filter(|at| members[*at].state == Connectivity::Ready);
        Arc::new(Always(ready.map_or_else(|| without_takers(members), Pick::Take)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{connecting, failed, idle, ready, shares, weighing};

    fn wants(members: &[Member]) -> Wanted {
        PickFirst::default().wanted(members)
    }

    #[test]
    fn one_takes_all_calls() {
        assert_eq!(shares(&PickFirst::default(), &[idle(1), ready(2), idle(3)], 100), [0, 100, 0]);
    }

    #[test]
    fn endpoints_are_tried_in_order_until_one_is_ready() {
        assert_eq!(wants(&[idle(1), idle(2)]), Wanted::Only(vec![0]));
        assert_eq!(wants(&[connecting(1), idle(2)]), Wanted::Only(vec![0]));
        assert_eq!(wants(&[failed(1), idle(2)]), Wanted::Only(vec![1]));
        assert_eq!(wants(&[failed(1), ready(2)]), Wanted::Only(vec![1]));
        // The pause of the first is over; the second is kept.
        assert_eq!(wants(&[idle(1), ready(2)]), Wanted::Only(vec![1]));
        assert_eq!(wants(&[idle(1), connecting(2)]), Wanted::Only(vec![1]));
    }

    #[test]
    fn when_all_failed_each_is_tried_again_and_calls_fail_meanwhile() {
        assert_eq!(wants(&[failed(1), failed(2)]), Wanted::All);
        let again = Member { reason: Some("refused".into()), ..connecting(2) };
        let members = [failed(1), again];
        assert_eq!(wants(&members), Wanted::Only(vec![1]));
        let pick = PickFirst::default().picker(&members).pick(&crate::Call::default());
        assert!(matches!(pick, Pick::Fail(_)), "{pick:?}");
        let over = Member { reason: Some("refused".into()), ..idle(1) };
        assert_eq!(wants(&[over.clone(), failed(2)]), Wanted::Only(vec![0]));
        assert_eq!(wants(&[over, idle(2)]), Wanted::Only(vec![1]), "what did not fail comes first");
    }

    #[test]
    fn calls_wait_for_the_first_attempt() {
        let pick = PickFirst::default().picker(&[failed(1), connecting(2)]).pick(&crate::Call::default());
        assert_eq!(pick, Pick::Wait);
    }

    #[test]
    fn the_ready_one_is_kept_while_members_come_and_go() {
        let policy = PickFirst::default();
        let mut members = vec![idle(1), ready(2)];
        members.insert(0, idle(3));
        assert_eq!(shares(&policy, &members, 10), [0, 0, 10]);
        members.truncate(2);
        assert_eq!(policy.wanted(&members), Wanted::Only(vec![0]));
        members[0] = ready(3);
        assert_eq!(shares(&policy, &members, 10), [10, 0]);
    }

    #[test]
    fn ejected_and_drained_members_are_passed_over() {
        let ejected = Member { ejected: true, ..ready(1) };
        assert_eq!(wants(&[ejected.clone(), idle(2)]), Wanted::Only(vec![1]));
        assert_eq!(wants(&[ejected.clone(), ejected]), Wanted::Only(vec![0]));
        assert_eq!(wants(&[weighing(1, 0.0), idle(2)]), Wanted::Only(vec![1]));
    }

    #[test]
    fn shuffling_spreads_clients_and_stays() {
        let members: Vec<Member> = (1..=4).map(idle).collect();
        let mut first = [0; 4];
        for seed in 0..4_000 {
            let policy = PickFirst::shuffled(seed);
            let Wanted::Only(places) = policy.wanted(&members) else { panic!("one is wanted") };
            first[places[0]] += 1;
            let longer: Vec<Member> = members.iter().cloned().chain([failed(9)]).collect();
            assert_eq!(policy.wanted(&longer), Wanted::Only(places));
        }
        assert!(first.iter().all(|count| (800..1_200).contains(count)), "{first:?}");
    }
}
