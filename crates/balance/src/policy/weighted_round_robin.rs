//! `weighted_round_robin`: one after the other, each as often as its weight says.
//!
//! Weights are those of the registry, not reports of load. The order is worked out when the picker is made: a round in which
//! every member has as many turns as its weight, spread evenly, so that shares hold from one round to the next and a pick
//! costs one step. Nobody is connected anew because a weight changed.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::endpoint::Member;
use crate::policy::round_robin::Rotation;
use crate::policy::standing::Standing;
use crate::policy::{Picker, Policy, Wanted};

/// Turns of a round, as long as there are not more endpoints than a quarter of it. Longer rounds would hold weights more
/// exactly (a turn is an eight-thousandth of all calls) and cost more when a picker is made; it stands for 32 KiB.
const TURNS_MAX: u64 = 8_192;

/// One after the other, by weight.
#[derive(Debug)]
pub struct WeightedRoundRobin {
    /// Shared by all pickers, as that of round robin.
    turn: Arc<AtomicUsize>,
}

impl WeightedRoundRobin {
    /// The name in service configs.
    pub const NAME: &str = "weighted_round_robin";
}

impl Default for WeightedRoundRobin {
    fn default() -> Self {
        Self { turn: Arc::new(AtomicUsize::new(usize::from(rand::random::<u16>()))) }
    }
}

impl Policy for WeightedRoundRobin {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn wanted(&self, _: &[Member]) -> Wanted {
        Wanted::All
    }

    fn picker(&self, members: &[Member]) -> Arc<dyn Picker> {
        Standing::picker(members, |takers| {
            let shares: Vec<f64> = takers.iter().map(|at| members[*at as usize].endpoint.share()).collect();
            let round = round(&takers, &turns(&shares));
            Arc::new(Rotation::new(round, Arc::clone(&self.turn)))
        })
    }
}

/// How many turns each has in a round: in the proportion of the shares, exactly if a round is long enough for it, and at
/// least one.
fn turns(shares: &[f64]) -> Vec<u64> {
    let most = TURNS_MAX.max(4 * shares.len() as u64);
    // Weights are whole numbers, or such with up to three decimals, as people write them.
    for scale in [1.0, 10.0, 100.0, 1_000.0] {
        let scaled = |share: &f64| Some(share * scale).filter(|share| (share - share.round()).abs() < 1e-6);
        let Some(exact) = shares.iter().map(scaled).collect::<Option<Vec<f64>>>() else { continue };
        let whole: Vec<u64> = exact.into_iter().map(|share| share.round() as u64).collect();
        let divisor = whole.iter().copied().fold(0, common_divisor).max(1);
        let reduced: Vec<u64> = whole.into_iter().map(|share| share / divisor).collect();
        if reduced.iter().all(|turns| *turns > 0) && reduced.iter().sum::<u64>() <= most {
            return reduced;
        }
    }
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|share| ((share / sum * most as f64).round() as u64).max(1)).collect()
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// The places in the order of their turns: each at the middles of equal parts of the round, as many as it has turns.
fn round(places: &[u32], turns: &[u64]) -> Box<[u32]> {
    let mut all: Vec<(u64, u32)> = Vec::with_capacity(turns.iter().sum::<u64>() as usize);
    for (place, turns) in places.iter().zip(turns) {
        // Numbers of turns have fewer than 23 bits, so that nothing is lost to the left.
        all.extend((0..*turns).map(|turn| ((((2 * turn + 1) << 40) / (2 * turns)), *place)));
    }
    all.sort_unstable();
    all.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{failed, ready, shares, weighing};
    use crate::policy::{Call, Pick};

    fn of_weights(weights: &[f64]) -> Vec<Member> {
        (1..).zip(weights).map(|(port, weight)| weighing(port, *weight)).collect()
    }

    #[test]
    fn every_round_has_exactly_the_proportions() {
        let policy = WeightedRoundRobin::default();
        let members = of_weights(&[1.0, 2.0, 7.0]);
        for _ in 0..20 {
            assert_eq!(shares(&policy, &members, 10), [1, 2, 7], "wherever the round begins");
            let _one_further = policy.picker(&members).pick(&Call::default());
        }
    }

    #[test]
    fn turns_are_reduced_and_exact_where_a_round_is_long_enough() {
        assert_eq!(turns(&[1.0, 1.0, 1.0]), [1, 1, 1]);
        assert_eq!(turns(&[100.0, 200.0, 700.0]), [1, 2, 7]);
        assert_eq!(turns(&[0.5, 1.0]), [1, 2]);
        assert_eq!(turns(&[0.25, 0.33]), [25, 33]);
        assert_eq!(turns(&[5_000.0, 3_000.0]), [5, 3]);
        assert_eq!(turns(&[1.0 / 3.0, 2.0 / 3.0]), [2_731, 5_461]);
        assert_eq!(turns(&[0.000_000_1, 1.0]), [1, 8_192], "nobody starves");
        assert_eq!(turns(&[1.0, 1_000_000.0]), [1, 8_192]);
        assert_eq!(turns(&vec![1.0; 10_000]), vec![1; 10_000]);
    }

    #[test]
    fn heavy_members_do_not_take_their_turns_in_a_row() {
        let order = round(&[0, 1, 2], &[4, 2, 2]);
        let longest = order.chunk_by(|a, b| a == b).map(<[u32]>::len).max();
        assert!(longest <= Some(2), "{order:?}");
    }

    #[test]
    fn thousand_members_keep_their_shares() {
        let weights: Vec<f64> = (0..1_000).map(|at| f64::from(at % 10 + 1)).collect();
        let members = of_weights(&weights);
        let taken = shares(&WeightedRoundRobin::default(), &members, 5_500);
        let wrong = taken.iter().zip(&weights).filter(|(taken, weight)| **taken as f64 != **weight).count();
        assert_eq!(wrong, 0);
    }

    #[test]
    fn shares_stay_right_while_members_come_and_go() {
        let policy = WeightedRoundRobin::default();
        let mut members = of_weights(&[1.0, 2.0, 7.0]);
        members[2] = failed(3);
        assert_eq!(shares(&policy, &members, 30), [10, 20, 0]);
        members.push(weighing(4, 3.0));
        assert_eq!(shares(&policy, &members, 60), [10, 20, 0, 30]);
        members[3].ejected = true;
        assert_eq!(shares(&policy, &members, 30), [10, 20, 0, 0]);
        members.remove(0);
        members[1] = weighing(3, 7.0);
        assert_eq!(shares(&policy, &members, 90), [20, 70, 0]);
        members[0] = weighing(2, 0.0);
        assert_eq!(shares(&policy, &members, 90), [0, 90, 0]);
    }

    #[test]
    fn change_of_weight_wants_the_same_connections() {
        let policy = WeightedRoundRobin::default();
        assert_eq!(policy.wanted(&of_weights(&[1.0, 2.0])), policy.wanted(&of_weights(&[9.0, 0.0])));
    }

    #[test]
    fn senseless_weights_do_no_harm() {
        let members = of_weights(&[f64::NAN, f64::INFINITY, -1.0, f64::MIN_POSITIVE]);
        let taken = shares(&WeightedRoundRobin::default(), &members, 8_193);
        assert_eq!(taken, [0, 8_192, 0, 1]);
        assert_eq!(WeightedRoundRobin::default().picker(&[ready(1)]).pick(&Call::default()), Pick::Take(0));
    }
}
