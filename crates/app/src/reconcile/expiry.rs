//! Lets time pass in the registry: held clients are released, silent ones turn unhealthy and vanish, empty services
//! leave the list. Sleeps until something is due. What only silence says waits for the word of the guard.

use nacrite_env::SharedClock;

use crate::guard::Guarding;
use crate::owner::registry::Shards;
use crate::push::settle::{Settle, sleep_until};
use crate::tasks::Tasks;

/// Runs until the server stops.
pub async fn run(shards: &Shards, guard: &Guarding, settle: &Settle, clock: &SharedClock, tasks: &Tasks) {
    loop {
        let next = shards.wake_at();
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = shards.woken_earlier() => {}
            () = sleep_until(clock, next) => pass(shards, guard, settle),
        }
    }
}

fn pass(shards: &Shards, guard: &Guarding, settle: &Settle) {
    let mut ticked = shards.tick();
    ticked.changed.iter().for_each(|key| settle.changed(key));
    if ticked.verdict_wanted {
        guard.judge();
        // With the verdict everything is done or due later; should the clock have run past it, the next turn asks again.
        ticked = shards.tick();
        ticked.changed.iter().for_each(|key| settle.changed(key));
    }
}
