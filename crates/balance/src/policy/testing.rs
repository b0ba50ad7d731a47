//! Members for the tests of policies, and what a policy makes of them.

use std::sync::Arc;

use super::{Call, Pick, Policy};
use crate::endpoint::{Connectivity, Endpoint, Member};

/// A member on a port, in a state.
fn member(port: u16, state: Connectivity) -> Member {
    Member { state, ..Member::idle(Endpoint::new("10.0.0.1", port)) }
}

pub(crate) fn ready(port: u16) -> Member {
    member(port, Connectivity::Ready)
}

pub(crate) fn idle(port: u16) -> Member {
    member(port, Connectivity::Idle)
}

pub(crate) fn connecting(port: u16) -> Member {
    member(port, Connectivity::Connecting)
}

pub(crate) fn failed(port: u16) -> Member {
    Member { reason: Some("connection refused".into()), ..member(port, Connectivity::TransientFailure) }
}

/// A ready member with a weight.
pub(crate) fn weighing(port: u16, weight: f64) -> Member {
    let mut member = ready(port);
    Arc::make_mut(&mut member.endpoint).weight = weight;
    member
}

/// How many of so many calls each member takes. All must be taken.
pub(crate) fn shares(policy: &dyn Policy, members: &[Member], calls: usize) -> Vec<usize> {
    let picker = policy.picker(members);
    let mut taken = vec![0; members.len()];
    for _ in 0..calls {
        match picker.pick(&Call::default()) {
            Pick::Take(place) => taken[place] += 1,
            other => panic!("{other:?}"),
        }
    }
    taken
}

/// Asserts that shares of calls are those of the weights, as far as chance allows: five standard deviations.
pub(crate) fn assert_near(taken: &[usize], weights: &[f64]) {
    let calls: usize = taken.iter().sum();
    let sum: f64 = weights.iter().sum();
    for (taken, weight) in taken.iter().zip(weights) {
        let share = weight / sum;
        let expected = calls as f64 * share;
        let slack = 5.0 * (expected * (1.0 - share)).sqrt() + 1.0;
        assert!((*taken as f64 - expected).abs() <= slack, "{taken} calls, {expected} expected of {calls}");
    }
}
