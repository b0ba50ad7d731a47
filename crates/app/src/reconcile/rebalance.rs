//! Gives clients away when this server has more than its share, if that is wanted.
//!
//! Each server looks after itself alone: it asks the others how many they have, and moves only its own. If one of them
//! does not answer nothing is done, because its clients may be here for that very reason.

use std::time::Duration;

use nacrite_env::SharedClock;
use tracing::info;

use crate::balance::hysteresis::Hysteresis;
use crate::balance::{Balance, BalanceSettings};
use crate::tasks::Tasks;

/// Runs until the server stops; ends at once if it is not wanted.
pub async fn run(settings: &BalanceSettings, balance: &Balance, clock: &SharedClock, tasks: &Tasks) {
    if !settings.auto {
        return;
    }
    let mut hysteresis = Hysteresis::default();
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = tokio::time::sleep(Duration::from_millis(settings.auto_check_ms)) => {}
        }
        if balance.is_alone() || balance.own().is_draining {
            continue;
        }
        let load = balance.measure().await;
        if load.others.len() + 1 < load.members {
            continue;
        }
        let (own, mean) = (load.own.sdk, load.mean());
        if hysteresis.look(clock.now(), own, mean, &settings.thresholds()) {
            info!(clients = own, mean, "clients above the mean are given away");
            balance.give_surplus(&load);
        }
    }
}
