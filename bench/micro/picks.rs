//! How long a pick takes among a thousand endpoints, and how long a picker takes to be made, in nanoseconds; the last line is
//! the whole of a pick that callers of the SDK make.
//!
//! `cargo bench -p nacrite-microbench --bench picks`. The median of many rounds; instructions are counted in `hot_paths.rs`.

#![expect(clippy::disallowed_methods, reason = "this measures time")]
#![expect(clippy::print_stdout, reason = "this tells what it measured")]
#![expect(clippy::expect_used, reason = "a policy that is not there is not measured")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use nacrite_balance::Call;
use nacrite_balance::policy::PolicyRegistry;
use nacrite_client::Client;
use nacrite_client::discover::Discovery;
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("{:<22}{:>10.1}", "Discovery", runtime.block_on(discovery()));
}

/// A pick of the SDK, its list being known from files: no server has a part in it.
async fn discovery() -> f64 {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().join("naming/public");
    std::fs::create_dir_all(&folder).expect("a directory");
    let host = |port: u16| {
        let weight = f64::from(port % 10 + 1);
        format!(r#"{{"ip":"10.0.0.1","port":{port},"weight":{weight},"healthy":true,"enabled":true}}"#)
    };
    let hosts = (1..=1_000).map(host).collect::<Vec<_>>().join(",");
    let list = format!(r#"{{"name":"orders","groupName":"DEFAULT_GROUP","hosts":[{hosts}],"lastRefTime":1}}"#);
    std::fs::write(folder.join("DEFAULT_GROUP%40%40orders"), list).expect("written");
    let client = Client::builder().servers("127.0.0.1:1").cache_dir(dir.path());
    let client = client.naming_settings(|settings| settings.load_cache_at_start = true).build();
    let client = client.expect("a good description");
    let orders = Discovery::new(&client).service("orders").expect("a good name");
    orders.ready(Duration::from_secs(10)).await.expect("the files tell");
    let pick = median(201, || {
        for _ in 0..PICKS {
            drop(black_box(orders.pick()));
        }
    });
    client.close().await;
    pick / f64::from(PICKS)
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
