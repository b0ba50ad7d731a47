//! Where calls go on the ring, and how few of them move.

use serde_json::{Value, json};

use super::*;
use crate::policy::testing::{assert_near, connecting, failed, idle, ready, weighing};

fn of(hash: u64) -> Call<'static> {
    Call { hash: Some(hash), ..Call::default() }
}

/// Hashes of so many different calls.
fn calls(count: u32) -> impl Iterator<Item = Call<'static>> {
    (0..count).map(|number| of(hash_of(format!("user-{number}").as_bytes())))
}

/// The port that each call goes to.
fn homes(members: &[Member], count: u32) -> Vec<u16> {
    let picker = RingHash::default().picker(members);
    let home = |call| match picker.pick(&call) {
        Pick::Take(at) => members[at].endpoint.port,
        other => panic!("{other:?}"),
    };
    calls(count).map(home).collect()
}

/// What part of calls goes elsewhere.
fn moved(before: &[u16], after: &[u16]) -> f64 {
    before.iter().zip(after).filter(|(before, after)| before != after).count() as f64 / before.len() as f64
}

fn all_ready(count: u16) -> Vec<Member> {
    (1..=count).map(ready).collect()
}

#[test]
fn ring_has_the_entries_that_grpc_says() {
    let ring = |weights: &[f64], min, max| {
        let members: Vec<Member> = (1..).zip(weights).map(|(port, weight)| weighing(port, *weight)).collect();
        let ring = Ring::new(&members, min, max);
        (ring.len(), (0..weights.len() as u32).map(|at| ring.len_of(at)).collect::<Vec<_>>())
    };
    assert_eq!(ring(&[1.0, 1.0], 1_024, 4_096), (1_024, vec![512, 512]));
    assert_eq!(ring(&[1.0, 1.0, 1.0], 1_024, 4_096), (1_026, vec![342, 342, 342]));
    // The example of gRPC's own text: weights 3, 3, 4 on at most 7 entries.
    assert_eq!(ring(&[3.0, 3.0, 4.0], 6, 7).1, [2, 2, 3]);
    assert_eq!(ring(&[1.0, 2.0, 7.0], 10, 4_096), (10, vec![1, 2, 7]));
    assert_eq!(ring(&[0.0, 1.0], 2, 4), (2, vec![0, 2]));
    assert_eq!(ring(&[1.0], 1, 1), (1, vec![1]));
}

#[test]
fn ring_is_the_same_in_go() {
    // xxh64 with seed 0 of the text that stands for the first entry of an endpoint.
    assert_eq!(xxh64(b"", 0), 0xef46_db37_51d8_e999);
    let ring = Ring::new(&[ready(80)], 1, 1);
    assert_eq!(ring.at(xxh64(b"10.0.0.1:80_0", 0)), Some(0));
}

#[test]
fn same_hash_goes_to_the_same_endpoint_whatever_the_order_of_the_list() {
    let mut members = all_ready(10);
    let before = homes(&members, 1_000);
    members.reverse();
    assert_eq!(homes(&members, 1_000), before);
}

#[test]
fn shares_follow_weights() {
    let members = [weighing(1, 1.0), weighing(2, 2.0), weighing(3, 7.0)];
    let homes = homes(&members, 20_000);
    let share = |port| homes.iter().filter(|home| **home == port).count() as f64 / 20_000.0;
    // Entries lie where their hashes fall, so that shares are near weights and not equal to them.
    for (port, due) in [(1, 0.1), (2, 0.2), (3, 0.7)] {
        assert!((share(port) - due).abs() < 0.04, "{} of {due}", share(port));
    }
}

#[test]
fn few_calls_move_when_one_fails_or_leaves() {
    let members = all_ready(100);
    let before = homes(&members, 20_000);
    for gone in [0, 41, 99] {
        let mut fewer = members.clone();
        fewer[gone] = failed(gone as u16 + 1);
        let after = homes(&fewer, 20_000);
        assert!(moved(&before, &after) <= 1.0 / 100.0 + 0.01, "{}", moved(&before, &after));
        let lost = before.iter().filter(|home| usize::from(**home) == gone + 1).count() as f64 / 20_000.0;
        assert_eq!(moved(&before, &after), lost, "only its own calls move");
        assert_eq!(homes(&members, 20_000), before, "and they come back with it");
        // Without it the ring is made anew, with as many entries for each of the others.
        fewer.remove(gone);
        assert_eq!(homes(&fewer, 20_000), after);
    }
}

/// The number of entries of each changes with the number of endpoints, in steps. At a step each has one more or one less
/// of some ten, which moves calls as well: that is the ring of gRPC.
#[test]
fn few_calls_move_when_one_joins() {
    let mut members = all_ready(50);
    let mut before = homes(&members, 5_000);
    for port in 51..=110 {
        members.push(ready(port));
        let after = homes(&members, 5_000);
        let (count, entries) = (f64::from(port), (1_024.0 / f64::from(port)).ceil());
        let slack = 0.01 + if entries == (1_024.0 / (count - 1.0)).ceil() { 0.0 } else { 1.0 / entries };
        assert!(moved(&before, &after) <= 1.0 / count + slack, "{port}: {}", moved(&before, &after));
        before = after;
    }
}

#[test]
fn ring_is_built_once_per_list() {
    let policy = RingHash::default();
    let mut members = all_ready(10);
    let ring = policy.ring(&members);
    members[3] = Member { state: Connectivity::TransientFailure, ..members[3].clone() };
    assert!(Arc::ptr_eq(&ring, &policy.ring(&members)), "a state is no reason");
    Arc::make_mut(&mut members[3].endpoint).weight = 2.0;
    let heavier = policy.ring(&members);
    assert!(!Arc::ptr_eq(&ring, &heavier));
    assert!(heavier.len_of(3) > ring.len_of(3));
    members.pop();
    assert!(!Arc::ptr_eq(&heavier, &policy.ring(&members)));
}

#[test]
fn calls_connect_what_they_meet_and_wait() {
    let policy = RingHash::default();
    assert_eq!(policy.wanted(&[idle(1)]), Wanted::OnDemand);
    assert_eq!(policy.picker(&[idle(1)]).pick(&of(7)), Pick::Connect(0));
    assert_eq!(policy.picker(&[connecting(1)]).pick(&of(7)), Pick::Wait);
    assert_eq!(policy.picker(&[ready(1)]).pick(&of(7)), Pick::Take(0));
    assert!(matches!(policy.picker(&[failed(1)]).pick(&of(7)), Pick::Fail(_)));
    assert!(matches!(policy.picker(&[]).pick(&of(7)), Pick::Fail(_)));
}

#[test]
fn failed_endpoints_are_passed_over_and_tried_again_by_calls() {
    let policy = RingHash::default();
    let again = Member { reason: Some("refused".into()), ..connecting(1) };
    for call in calls(50) {
        assert_eq!(policy.picker(&[failed(1), ready(2)]).pick(&call), Pick::Take(1));
        assert_eq!(policy.picker(&[again.clone(), ready(2)]).pick(&call), Pick::Take(1), "trying again is no waiting");
        assert_eq!(policy.picker(&[failed(1), idle(2)]).pick(&call), Pick::Connect(1));
        assert!(matches!(policy.picker(&[failed(1), again.clone()]).pick(&call), Pick::Fail(_)));
    }
    // Nobody but a call connects to it again when its pause is over.
    let over = Member { reason: Some("refused".into()), ..idle(1) };
    assert_eq!(policy.picker(&[failed(2), over]).pick(&of(7)), Pick::Connect(1));
}

#[test]
fn ejected_endpoints_are_passed_over_unless_all_are() {
    let ejected = Member { ejected: true, ..ready(1) };
    for call in calls(50) {
        assert_eq!(RingHash::default().picker(&[ejected.clone(), ready(2)]).pick(&call), Pick::Take(1));
        assert_eq!(RingHash::default().picker(&[ejected.clone(), failed(2)]).pick(&call), Pick::Take(0));
    }
}

#[test]
fn calls_bound_to_nothing_bring_all_into_use_without_waiting_twice() {
    let policy = RingHash::default();
    let any = Call::default();
    let picker = policy.picker(&[ready(1), connecting(2), idle(3)]);
    for _ in 0..100 {
        assert_eq!(picker.pick(&any), Pick::Take(0), "one is being connected already");
    }
    let picker = policy.picker(&[ready(1), idle(2)]);
    let picks: Vec<Pick> = (0..100).map(|_| picker.pick(&any)).collect();
    assert!(picks.contains(&Pick::Take(0)) && picks.contains(&Pick::Connect(1)), "{picks:?}");
    assert_eq!(policy.picker(&[connecting(1)]).pick(&any), Pick::Wait);
    let members = all_ready(2);
    let picker = policy.picker(&members);
    let first = (0..10_000).filter(|_| picker.pick(&any) == Pick::Take(0)).count();
    // So many that what they say about the ring is exact beside what chance does to the calls.
    let on_ring = homes(&members, 200_000).iter().filter(|port| **port == 1).count();
    assert_near(&[first, 10_000 - first], &[on_ring as f64, (200_000 - on_ring) as f64]);
}

#[test]
fn states_together_follow_the_rules_of_the_ring() {
    let of = |members: &[Member]| RingHash::default().connectivity(members);
    assert_eq!(of(&[failed(1), failed(2), ready(3)]), Connectivity::Ready);
    assert_eq!(of(&[failed(1), failed(2), connecting(3)]), Connectivity::TransientFailure);
    assert_eq!(of(&[failed(1), connecting(2), idle(3)]), Connectivity::Connecting);
    assert_eq!(of(&[failed(1), idle(2)]), Connectivity::Connecting);
    assert_eq!(of(&[idle(1), idle(2)]), Connectivity::Idle);
    assert_eq!(of(&[failed(1)]), Connectivity::TransientFailure);
    assert_eq!(of(&[]), Connectivity::TransientFailure);
}

#[test]
fn settings_are_those_of_grpc() {
    let parse = |config: Value| RingHash::parse(&Node::root(&config)).map_err(|wrong| wrong.to_string());
    let sizes = |config| parse(config).map(|policy| (policy.entries_min, policy.entries_max));
    assert_eq!(sizes(json!({})), Ok((1_024, 4_096)));
    assert_eq!(sizes(json!({"minRingSize": 8_388_608, "maxRingSize": 8_388_608})), Ok((4_096, 4_096)));
    assert_eq!(sizes(json!({"maxRingSize": 8_388_609})), Err("maxRingSize: must be at most 8388608".into()));
    assert_eq!(sizes(json!({"minRingSize": 0})), Err("minRingSize: must be at least 1".into()));
    let wrong = sizes(json!({"minRingSize": 9, "maxRingSize": 8}));
    assert_eq!(wrong, Err("minRingSize: must not be more than maxRingSize".into()));
    assert!(sizes(json!({"maxRingSize": 8})).is_err());
    let header = |name: &str| parse(json!({"requestHashHeader": name})).map(|policy| policy.header);
    assert_eq!(header("X-User"), Ok(Some("x-user".into())));
    assert_eq!(header(""), Ok(None));
    assert_eq!(header("x-user-bin"), Err("requestHashHeader: must not name a binary header (-bin)".into()));
    assert_eq!(header("x user"), Err("requestHashHeader: must be the name of a header".into()));
}
