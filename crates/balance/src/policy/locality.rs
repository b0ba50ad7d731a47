//! `prefer_locality`: calls go to endpoints of one's own locality as long as enough of them are well, and to all others too
//! when they are not. Any other policy chooses among those.
//!
//! Of one's own that have a weight, those are well that neither failed nor are ejected. Those that nobody connected to yet
//! are believed to be.

use std::sync::Arc;

use crate::endpoint::{Connectivity, Member};
use crate::json::{Invalid, Node};
use crate::policy::registry::PolicyRegistry;
use crate::policy::{Call, Pick, Picker, Policy, Wanted};

/// With fewer of one's own being well than half, those have more than twice their calls: then others help.
const SPILL_BELOW_PERCENT: u8 = 50;

/// One's own first.
#[derive(Debug)]
pub struct PreferLocality {
    locality: Arc<str>,
    spill_below_percent: u8,
    inner: Arc<dyn Policy>,
}

impl PreferLocality {
    /// The name in service configs.
    pub const NAME: &str = "prefer_locality";

    /// Prefers a locality, and chooses by `inner` among the endpoints that come into question.
    #[must_use]
    pub fn new(locality: &str, inner: Arc<dyn Policy>) -> Self {
        Self { locality: locality.into(), spill_below_percent: SPILL_BELOW_PERCENT, inner }
    }

    /// Others take calls too while less than this of one's own, in percent, are well: 0 if only when none is left, 100 if as
    /// soon as one is not.
    #[must_use]
    pub fn spill_below(mut self, percent: u8) -> Self {
        self.spill_below_percent = percent.min(100);
        self
    }

    /// Reads `{"locality": "HZ", "spillBelowPercent": 50, "childPolicy": [{"round_robin": {}}]}`.
    ///
    /// # Errors
    /// A field is not as it must be.
    pub fn parse(config: &Node<'_>, registry: &PolicyRegistry) -> Result<Self, Invalid> {
        let locality = config.need("locality")?.text()?;
        let percent = config.get("spillBelowPercent")?.map(|node| node.whole(0..=100)).transpose()?;
        let inner = registry.first_known(&config.need("childPolicy")?)?;
        Ok(Self::new(locality, inner).spill_below(percent.map_or(SPILL_BELOW_PERCENT, |percent| percent as u8)))
    }

    /// The places of those that come into question; `None` if all do.
    fn chosen(&self, members: &[Member]) -> Option<Vec<usize>> {
        let is_own = |member: &Member| member.endpoint.locality == self.locality && member.endpoint.share() > 0.0;
        let own: Vec<usize> =
            members.iter().enumerate().filter(|(_, member)| is_own(member)).map(|(at, _)| at).collect();
        let is_well = |at: &&usize| !members[**at].is_failing() && !members[**at].ejected;
        let well = own.iter().filter(is_well).count();
        let is_enough = well > 0 && well * 100 >= own.len() * usize::from(self.spill_below_percent);
        (is_enough && own.len() < members.len()).then_some(own)
    }
}

fn subset(members: &[Member], places: &[usize]) -> Vec<Member> {
    places.iter().filter_map(|at| members.get(*at)).cloned().collect()
}

impl Policy for PreferLocality {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn wanted(&self, members: &[Member]) -> Wanted {
        let Some(own) = self.chosen(members) else { return self.inner.wanted(members) };
        match self.inner.wanted(&subset(members, &own)) {
            Wanted::All => Wanted::Only(own),
            Wanted::Only(inner) => Wanted::Only(inner.into_iter().filter_map(|at| own.get(at).copied()).collect()),
            Wanted::OnDemand => Wanted::OnDemand,
        }
    }

    fn picker(&self, members: &[Member]) -> Arc<dyn Picker> {
        match self.chosen(members) {
            Some(own) => Arc::new(Mapped { inner: self.inner.picker(&subset(members, &own)), places: own.into() }),
            None => self.inner.picker(members),
        }
    }

    fn hash_header(&self) -> Option<&str> {
        self.inner.hash_header()
    }

    fn connectivity(&self, members: &[Member]) -> Connectivity {
        match self.chosen(members) {
            Some(own) => self.inner.connectivity(&subset(members, &own)),
            None => self.inner.connectivity(members),
        }
    }
}

/// A picker over some of the members.
#[derive(Debug)]
struct Mapped {
    inner: Arc<dyn Picker>,
    places: Box<[usize]>,
}

impl Picker for Mapped {
    fn pick(&self, call: &Call<'_>) -> Pick {
        let place = |at: usize| self.places.get(at).copied();
        match self.inner.pick(call) {
            Pick::Take(at) => place(at).map_or(Pick::Wait, Pick::Take),
            Pick::Connect(at) => place(at).map_or(Pick::Wait, Pick::Connect),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::testing::{connecting, failed, idle, ready, shares, weighing};
    use crate::policy::{PickFirst, RoundRobin, WeightedRoundRobin};

    fn own(mut member: Member) -> Member {
        Arc::make_mut(&mut member.endpoint).locality = "HZ".into();
        member
    }

    fn prefer(inner: impl Policy + 'static) -> PreferLocality {
        PreferLocality::new("HZ", Arc::new(inner))
    }

    #[test]
    fn own_ones_take_all_calls_while_enough_are_well() {
        let members = [ready(1), own(ready(2)), ready(3), own(ready(4))];
        assert_eq!(shares(&prefer(RoundRobin::default()), &members, 100), [0, 50, 0, 50]);
        let half = [ready(1), own(ready(2)), ready(3), own(failed(4))];
        assert_eq!(shares(&prefer(RoundRobin::default()), &half, 100), [0, 100, 0, 0]);
    }

    #[test]
    fn others_help_when_too_few_are_well() {
        let policy = prefer(RoundRobin::default()).spill_below(60);
        let members = [ready(1), own(ready(2)), own(failed(3))];
        assert_eq!(shares(&policy, &members, 100), [50, 50, 0]);
        let ejected = [ready(1), own(ready(2)), own(Member { ejected: true, ..ready(3) })];
        assert_eq!(shares(&policy, &ejected, 100), [50, 50, 0]);
    }

    #[test]
    fn others_take_all_when_no_own_one_is_left() {
        for percent in [0, 100] {
            let policy = prefer(RoundRobin::default()).spill_below(percent);
            assert_eq!(shares(&policy, &[ready(1), own(failed(2))], 10), [10, 0]);
            assert_eq!(shares(&policy, &[ready(1), ready(2)], 10), [5, 5]);
            assert_eq!(shares(&policy, &[ready(1), own(weighing(2, 0.0))], 10), [10, 0]);
        }
    }

    #[test]
    fn only_those_in_question_are_connected() {
        let policy = prefer(RoundRobin::default());
        assert_eq!(policy.wanted(&[idle(1), own(idle(2)), own(idle(3))]), Wanted::Only(vec![1, 2]));
        assert_eq!(policy.wanted(&[idle(1), own(failed(2)), own(failed(3))]), Wanted::All);
        assert_eq!(policy.wanted(&[own(idle(1)), own(idle(2))]), Wanted::All);
        let one = prefer(PickFirst::default());
        assert_eq!(one.wanted(&[idle(1), own(failed(2)), own(idle(3))]), Wanted::Only(vec![2]));
    }

    #[test]
    fn calls_wait_for_own_ones_that_are_being_connected() {
        let picker = prefer(RoundRobin::default()).picker(&[ready(1), own(connecting(2))]);
        assert_eq!(picker.pick(&Call::default()), Pick::Wait);
    }

    #[test]
    fn shares_stay_right_while_members_come_and_go() {
        let policy = prefer(WeightedRoundRobin::default());
        let mut members = vec![ready(1), own(weighing(2, 1.0)), own(weighing(3, 3.0))];
        assert_eq!(shares(&policy, &members, 40), [0, 10, 30]);
        members[1] = own(failed(2));
        assert_eq!(shares(&policy, &members, 40), [0, 0, 40]);
        members[2] = own(failed(3));
        assert_eq!(shares(&policy, &members, 40), [40, 0, 0]);
        members.insert(0, own(ready(4)));
        members.insert(0, own(weighing(5, 4.0)));
        assert_eq!(shares(&policy, &members, 50), [40, 10, 0, 0, 0]);
    }

    #[test]
    fn settings_name_a_policy_to_choose_with() {
        let parse = |config| PreferLocality::parse(&Node::root(&config), &PolicyRegistry::standard()).map(|_| ());
        let config = json!({"locality": "HZ", "spillBelowPercent": 20, "childPolicy": [{"ring_hash": {}}]});
        assert_eq!(parse(config), Ok(()));
        let wrong = |config| parse(config).expect_err("it is wrong").to_string();
        assert_eq!(wrong(json!({"childPolicy": []})), "locality: is missing");
        assert_eq!(wrong(json!({"locality": "HZ"})), "childPolicy: is missing");
        let inner = json!({"locality": "HZ", "childPolicy": [{"least_request": {"choiceCount": 1}}]});
        assert_eq!(wrong(inner), "childPolicy[0].least_request.choiceCount: must be at least 2");
    }
}
