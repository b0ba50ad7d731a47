//! What picking one of a thousand endpoints that are all ready costs, by policy, without any call.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use nacrite_balance::policy::PolicyRegistry;
use nacrite_balance::{Call, Connectivity, Endpoint, Member, Pick};

use crate::Measured;

/// Endpoints to choose from.
const ENDPOINTS: u16 = 1_000;

/// Picks that are timed together.
const PICKS: u32 = 200_000;

/// How often; the least is told: whatever disturbs only adds.
const TIMES: usize = 10;

/// Policies, by the names of a service config.
pub(crate) const POLICIES: [&str; 6] =
    ["pick_first", "round_robin", "weighted_round_robin", "weighted_random", "least_request", "ring_hash"];

/// Picks with every policy. Numbers are ns per pick.
pub(crate) fn measure() -> Result<Measured> {
    POLICIES.map(|name| Ok((format!("pick.{name}"), one(name)?))).into_iter().collect()
}

fn one(name: &str) -> Result<f64> {
    let policy = PolicyRegistry::standard().by_name(name).map_err(|error| anyhow::anyhow!("{error}"))?;
    let member = |number: u16| {
        let mut endpoint = Endpoint::new(&format!("10.0.{}.{}", number / 250, number % 250), 8080);
        endpoint.weight = f64::from(number % 7 + 1);
        let mut member = Member::idle(endpoint);
        member.state = Connectivity::Ready;
        member
    };
    let members: Vec<Member> = (0..ENDPOINTS).map(member).collect();
    let picker = policy.picker(&members);
    let mut least = f64::INFINITY;
    for _ in 0..TIMES {
        let began = Instant::now();
        for number in 0..PICKS {
            // Different each time, for policies that send like to like.
            let hash = Some(u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let pick = black_box(picker.pick(black_box(&Call { method: "/shop.v1.Prices/Quote", hash })));
            ensure!(matches!(pick, Pick::Take(_)), "{name}: {pick:?}");
        }
        least = least.min(began.elapsed().as_nanos() as f64 / f64::from(PICKS));
    }
    Ok(least)
}
