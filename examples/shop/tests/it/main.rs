//! The shop under load: instances are restarted, killed, added, weighed; the registry goes away and comes back.
//!
//! Everything runs as it does for a user: processes that find each other by name, HTTP at the front. What is asserted is
//! what callers see. `cargo xtask shop --full` runs the same with release builds, at 2,000 calls/s, for a minute each.

#![expect(clippy::expect_used, clippy::panic, reason = "what cannot be set up has failed")]

mod channel;
mod load;
mod scale;

mod outage;
mod restarts;
mod sale;
mod spread;

use std::path::Path;
use std::time::Duration;

use shop::stage::{Plan, Programs, Shop};
use tokio::sync::{Mutex, MutexGuard};

/// Each test wants the machine for itself: what is asserted are times.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Long enough that there are always calls under way when something happens to an instance.
const ANSWER_TAKES: Duration = Duration::from_millis(50);

/// A shop of its own, for as long as no other test has one.
async fn open(weights: &[f64]) -> (MutexGuard<'static, ()>, Shop) {
    open_slowly(weights, ANSWER_TAKES).await
}

/// The same, with answers that take another time.
async fn open_slowly(weights: &[f64], answer_takes: Duration) -> (MutexGuard<'static, ()>, Shop) {
    let alone = ALONE.lock().await;
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_shop"))).expect("the programs are built");
    let plan = Plan { weights: weights.to_vec(), answer_takes, front_port: 0 };
    let shop = Shop::open(programs, plan).await.expect("the shop opens");
    (alone, shop)
}
