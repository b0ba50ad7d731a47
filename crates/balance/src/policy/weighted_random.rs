//! `weighted_random`: any of them, with the chance that its weight says: what Nacos's own clients do.

use std::sync::Arc;

use crate::endpoint::Member;
use crate::policy::alias::Alias;
use crate::policy::standing::Standing;
use crate::policy::{Call, Pick, Picker, Policy, Wanted};

/// Any, by weight.
#[derive(Clone, Copy, Debug, Default)]
pub struct WeightedRandom;

impl WeightedRandom {
    /// The name in service configs.
    pub const NAME: &str = "weighted_random";
}

impl Policy for WeightedRandom {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn wanted(&self, _: &[Member]) -> Wanted {
        Wanted::All
    }

    fn picker(&self, members: &[Member]) -> Arc<dyn Picker> {
        Standing::picker(members, |takers| {
            let shares: Vec<f64> = takers.iter().map(|at| members[*at as usize].endpoint.share()).collect();
            Arc::new(Draw { alias: Alias::new(&shares), places: takers.into() })
        })
    }
}

#[derive(Debug)]
struct Draw {
    alias: Alias,
    places: Box<[u32]>,
}

impl Picker for Draw {
    fn pick(&self, _: &Call<'_>) -> Pick {
        match self.places.get(self.alias.at(rand::random())) {
            Some(place) => Pick::Take(*place as usize),
            None => Pick::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{assert_near, failed, shares, weighing};

    #[test]
    fn shares_are_those_of_the_weights() {
        let members = [weighing(1, 1.0), weighing(2, 2.0), weighing(3, 7.0)];
        assert_near(&shares(&WeightedRandom, &members, 100_000), &[1.0, 2.0, 7.0]);
    }

    #[test]
    fn shares_stay_right_while_members_come_and_go() {
        let mut members = vec![weighing(1, 1.0), weighing(2, 2.0), weighing(3, 7.0)];
        members[2] = failed(3);
        assert_near(&shares(&WeightedRandom, &members, 30_000), &[1.0, 2.0, 0.0]);
        members.push(weighing(4, 3.0));
        members.remove(0);
        assert_near(&shares(&WeightedRandom, &members, 30_000), &[2.0, 0.0, 3.0]);
        members[2].ejected = true;
        assert_near(&shares(&WeightedRandom, &members, 1_000), &[2.0, 0.0, 0.0]);
    }
}
