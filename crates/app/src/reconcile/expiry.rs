//! Lets time pass in the registry: held clients are released, silent ones turn unhealthy and vanish, empty services
//! leave the list. Sleeps until something is due.

use nacrite_env::SharedClock;

use crate::owner::registry::Shards;
use crate::push::settle::{Settle, sleep_until};
use crate::tasks::Tasks;

/// Runs until the server stops.
pub async fn run(shards: &Shards, settle: &Settle, clock: &SharedClock, tasks: &Tasks) {
    loop {
        let next = shards.wake_at();
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = shards.woken_earlier() => {}
            () = sleep_until(clock, next) => shards.tick().iter().for_each(|key| settle.changed(key)),
        }
    }
}
