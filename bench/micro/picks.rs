//! How long a pick takes among a thousand endpoints, and how long a picker takes to be made, in nanoseconds.
//!
//! `cargo bench -p nacrite-microbench --bench picks`. The median of many rounds; instructions are counted in `hot_paths.rs`.

#![expect(clippy::disallowed_methods, reason = "this measures time")]
#![expect(clippy::print_stdout, reason = "this tells what it measured")]
#![expect(clippy::expect_used, reason = "a policy that is not there is not measured")]

use std::hint::black_box;
use std::time::Instant;

use nacrite_balance::Call;
use nacrite_balance::policy::PolicyRegistry;
use nacrite_microbench::{POLICIES, members, picker};

/// Picks of a round.
const PICKS: u32 = 10_000;

fn main() {
    println!("{:<22}{:>10}{:>14}", "policy", "pick, ns", "picker, us");
    let members = members();
    for name in POLICIES {
        let picker = picker(name);
        let policy = PolicyRegistry::standard().by_name(name).expect("there is such a policy");
        let mut hash = 1_u64;
        let pick = median(201, || {
            for _ in 0..PICKS {
                hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
                black_box(picker.pick(&Call { method: "/shop.Orders/Place", hash: Some(hash) }));
            }
        });
        let made = median(51, || drop(black_box(policy.picker(&members))));
        println!("{name:<22}{:>10.1}{:>14.1}", pick / f64::from(PICKS), made / 1_000.0);
    }
}

/// The median time of so many rounds, in nanoseconds.
fn median(rounds: usize, mut round: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let began = Instant::now();
            round();
            began.elapsed().as_nanos() as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
