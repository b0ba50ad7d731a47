//! Who may take calls at this moment, by the one rule that all policies share.
//!
//! - Members of weight 0 take none, whatever their state.
//! - Those that are ready and not ejected take calls; if all that are ready are ejected, these do: somebody who often fails
//!   is better than nobody.
//! - If none is ready, calls wait as long as one may become it that did not fail since it was last ready; else they fail.

use std::sync::Arc;

use crate::endpoint::{Connectivity, Member};
use crate::policy::{Call, Pick, Picker};

/// Who takes calls.
#[derive(Debug)]
pub enum Standing {
    /// These places of the list; never none.
    Takers(Vec<u32>),
    /// Nobody: this becomes of every call.
    Nobody(Pick),
}

impl Standing {
    /// How the members stand.
    #[must_use]
    pub fn of(members: &[Member]) -> Self {
        let ready = |member: &&Member| member.state == Connectivity::Ready && member.endpoint.share() > 0.0;
        let takers = places(members, |member| member.takes_calls());
        if !takers.is_empty() {
            return Self::Takers(takers);
        }
        let ejected = places(members, |member| ready(&member));
        if ejected.is_empty() { Self::Nobody(without_takers(members)) } else { Self::Takers(ejected) }
    }

    /// A picker for these members: what `make` makes of the takers, or one that says the same to all calls.
    pub fn picker(members: &[Member], make: impl FnOnce(Vec<u32>) -> Arc<dyn Picker>) -> Arc<dyn Picker> {
        match Self::of(members) {
            Self::Takers(takers) => make(takers),
            Self::Nobody(pick) => Arc::new(Always(pick)),
        }
    }
}

/// The places of the members that pass.
fn places(members: &[Member], passes: impl Fn(&Member) -> bool) -> Vec<u32> {
    (0_u32..).zip(members).filter(|(_, member)| passes(member)).map(|(at, _)| at).collect()
}

/// What becomes of calls while nobody is ready: they wait, or fail with words that say how many there are and why.
pub(super) fn without_takers(members: &[Member]) -> Pick {
    if members.is_empty() {
        return Pick::Fail("there is no endpoint: the list is empty".into());
    }
    let count = members.len();
    let weighing: Vec<&Member> = members.iter().filter(|member| member.endpoint.share() > 0.0).collect();
    if weighing.is_empty() {
        return Pick::Fail(format!("no endpoint takes calls: the weight of all {count} is 0").into());
    }
    if weighing.iter().any(|member| !member.is_failing()) {
        return Pick::Wait;
    }
    let last = weighing.iter().rev().find_map(|member| Some((&member.endpoint, member.reason.as_ref()?)));
    let why = last.map(|(endpoint, reason)| format!("; {endpoint}: {reason}")).unwrap_or_default();
    Pick::Fail(format!("no endpoint can be reached: {} of {count} failed{why}", weighing.len()).into())
}

/// Says the same to every call.
#[derive(Debug)]
pub(super) struct Always(pub(super) Pick);

impl Picker for Always {
    fn pick(&self, _: &Call<'_>) -> Pick {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{connecting, failed, idle, ready};

    fn said(members: &[Member]) -> Pick {
        match Standing::of(members) {
            Standing::Nobody(pick) => pick,
            Standing::Takers(takers) => panic!("{takers:?} take calls"),
        }
    }

    fn takers(members: &[Member]) -> Vec<u32> {
        match Standing::of(members) {
            Standing::Takers(takers) => takers,
            Standing::Nobody(pick) => panic!("nobody takes calls: {pick:?}"),
        }
    }

    #[test]
    fn empty_list_fails_at_once() {
        assert_eq!(said(&[]), Pick::Fail("there is no endpoint: the list is empty".into()));
    }

    #[test]
    fn calls_wait_for_what_did_not_fail_yet() {
        assert_eq!(said(&[failed(1), connecting(2)]), Pick::Wait);
        assert_eq!(said(&[failed(1), idle(2)]), Pick::Wait);
    }

    #[test]
    fn calls_fail_with_how_many_and_why() {
        let mut again = connecting(2);
        again.reason = Some("timed out".into());
        let why = "no endpoint can be reached: 2 of 2 failed; 10.0.0.1:2: timed out";
        assert_eq!(said(&[failed(1), again]), Pick::Fail(why.into()), "what is tried again failed");
    }

    #[test]
    fn weight_0_takes_no_calls_and_nobody_waits_for_it() {
        let (mut drained, mut later) = (ready(1), connecting(2));
        for member in [&mut drained, &mut later] {
            Arc::make_mut(&mut member.endpoint).weight = 0.0;
        }
        assert_eq!(takers(&[drained.clone(), ready(3)]), [1]);
        let why = "no endpoint takes calls: the weight of all 2 is 0";
        assert_eq!(said(&[drained.clone(), later.clone()]), Pick::Fail(why.into()));
        assert!(matches!(said(&[drained, later, failed(3)]), Pick::Fail(_)));
    }

    #[test]
    fn ejected_members_are_skipped_unless_all_are() {
        let mut ejected = ready(1);
        ejected.ejected = true;
        assert_eq!(takers(&[ejected.clone(), ready(2)]), [1]);
        assert_eq!(takers(&[ejected.clone(), failed(2)]), [0]);
        assert_eq!(takers(&[ejected.clone(), ejected]), [0, 1]);
    }
}
