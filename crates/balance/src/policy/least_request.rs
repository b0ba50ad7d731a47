//! `least_request`: of a few that are drawn at random, the one with the least to do for its weight (gRFC A48).
//!
//! They are drawn by weight, and compared by the calls that are under way on each, over all users of the endpoint, divided by
//! weight. So idle endpoints share calls as their weights say, and slow ones get fewer. If there are no more endpoints than
//! are drawn, all of them are compared.

use std::sync::Arc;

use crate::endpoint::{Load, Member};
use crate::json::{Invalid, Node};
use crate::policy::alias::Alias;
use crate::policy::standing::Standing;
use crate::policy::{Call, Pick, Picker, Policy, Wanted};

/// At most so many are drawn: more cost time and win nothing (gRFC A48).
const CHOICES_MAX: u64 = 10;

/// The one with the least to do.
#[derive(Clone, Copy, Debug)]
pub struct LeastRequest {
    choices: usize,
}

impl LeastRequest {
    /// The name in service configs.
    pub const NAME: &str = "least_request";

    /// Reads `{"choiceCount": 2}`: 2 and above; above 10 is 10.
    ///
    /// # Errors
    /// A field is not as it must be.
    pub fn parse(config: &Node<'_>) -> Result<Self, Invalid> {
        let choices = config.get("choiceCount")?.map(|node| node.whole(2..=u64::MAX)).transpose()?;
        Ok(choices.map_or_else(Self::default, |choices| Self { choices: choices.min(CHOICES_MAX) as usize }))
    }
}

impl Default for LeastRequest {
    fn default() -> Self {
        Self { choices: 2 }
    }
}

impl Policy for LeastRequest {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn wanted(&self, _: &[Member]) -> Wanted {
        Wanted::All
    }

    fn picker(&self, members: &[Member]) -> Arc<dyn Picker> {
        Standing::picker(members, |takers| {
            let taker = |place: &u32| {
                let member = &members[*place as usize];
                Taker { place: *place, load: Arc::clone(&member.load), weight: member.endpoint.share() }
            };
            let takers: Box<[Taker]> = takers.iter().map(taker).collect();
            let shares: Vec<f64> = takers.iter().map(|taker| taker.weight).collect();
            Arc::new(Compare { alias: Alias::new(&shares), takers, choices: self.choices })
        })
    }
}

#[derive(Debug)]
struct Taker {
    place: u32,
    load: Arc<Load>,
    weight: f64,
}

impl Taker {
    /// What it has to do, for its weight.
    fn burden(&self) -> f64 {
        f64::from(self.load.in_flight()) / self.weight
    }
}

#[derive(Debug)]
struct Compare {
    alias: Alias,
    takers: Box<[Taker]>,
    choices: usize,
}

impl Compare {
    fn draw(&self) -> Option<&Taker> {
        self.takers.get(self.alias.at(rand::random()))
    }
}

/// The one with the smaller burden; the first if both are the same.
fn lighter<'a>(first: (&'a Taker, f64), second: &'a Taker) -> (&'a Taker, f64) {
    let burden = second.burden();
    if burden < first.1 { (second, burden) } else { first }
}

impl Picker for Compare {
    fn pick(&self, _: &Call<'_>) -> Pick {
        let Some(first) = self.draw() else { return Pick::Wait };
        let first = (first, first.burden());
        let (lightest, _) = if self.takers.len() <= self.choices {
            self.takers.iter().fold(first, lighter)
        } else {
            (1..self.choices).filter_map(|_| self.draw()).fold(first, lighter)
        };
        Pick::Take(lightest.place as usize)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::testing::{assert_near, failed, ready, shares, weighing};

    /// Sends calls that do not end, and tells how many each has.
    fn piled(policy: &dyn Policy, members: &[Member], calls: usize) -> Vec<u32> {
        let picker = policy.picker(members);
        let mut under_way = Vec::new();
        for _ in 0..calls {
            let Pick::Take(place) = picker.pick(&Call::default()) else { panic!("somebody is ready") };
            under_way.push(members[place].load.begin());
        }
        members.iter().map(|member| member.load.in_flight()).collect()
    }

    #[test]
    fn idle_endpoints_share_by_weight() {
        let members = [weighing(1, 1.0), weighing(2, 2.0), weighing(3, 7.0)];
        assert_near(&shares(&LeastRequest::default(), &members, 100_000), &[1.0, 2.0, 7.0]);
    }

    #[test]
    fn burdens_become_equal() {
        let members: Vec<Member> = (1..=10).map(ready).collect();
        let piled_up = piled(&LeastRequest::default(), &members, 1_000);
        assert!(piled_up.iter().all(|calls| (90..=110).contains(calls)), "{piled_up:?}");
        let members = [weighing(1, 1.0), weighing(2, 2.0), weighing(3, 7.0)];
        let piled_up = piled(&LeastRequest { choices: 3 }, &members, 1_000);
        assert!(piled_up.iter().zip([100, 200, 700]).all(|(calls, due)| calls.abs_diff(due) <= 1), "{piled_up:?}");
    }

    #[test]
    fn busy_endpoint_is_spared() {
        let members: Vec<Member> = (1..=3).map(ready).collect();
        let _busy: Vec<_> = (0..50).map(|_| members[0].load.begin()).collect();
        assert_eq!(shares(&LeastRequest { choices: 3 }, &members, 1_000)[0], 0);
        // Two of three are compared: it is taken only if it is drawn twice.
        let taken = shares(&LeastRequest::default(), &members, 10_000);
        assert_near(&taken, &[1.0, 4.0, 4.0]);
    }

    #[test]
    fn shares_stay_right_while_members_come_and_go() {
        let policy = LeastRequest::default();
        let mut members: Vec<Member> = (1..=4).map(ready).collect();
        members[1] = failed(2);
        assert_near(&shares(&policy, &members, 30_000), &[1.0, 0.0, 1.0, 1.0]);
        members.remove(0);
        members.push(weighing(5, 2.0));
        assert_near(&shares(&policy, &members, 30_000), &[0.0, 1.0, 1.0, 2.0]);
        members[3].ejected = true;
        assert_near(&shares(&policy, &members, 30_000), &[0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn choice_count_has_bounds() {
        let parse = |config| LeastRequest::parse(&Node::root(&config)).map(|policy| policy.choices);
        assert_eq!(parse(json!({})), Ok(2));
        assert_eq!(parse(json!({"choiceCount": 5})), Ok(5));
        assert_eq!(parse(json!({"choiceCount": 100})), Ok(10));
        assert_eq!(
            parse(json!({"choiceCount": 1})).expect_err("too few").to_string(),
            "choiceCount: must be at least 2"
        );
    }
}
