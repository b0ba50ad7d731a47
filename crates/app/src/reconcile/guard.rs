//! Notes that the server runs, so that it is seen when it did not, and asks the guard again while anything is in doubt.

use crate::guard::{Guarding, PULSE};
use crate::tasks::Tasks;

/// A guard at work is asked every so many pulses.
const PULSES_PER_VERDICT: u32 = 2;

/// Runs until the server stops.
pub async fn run(guard: &Guarding, tasks: &Tasks) {
    let mut pulses: u32 = 0;
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = tokio::time::sleep(PULSE) => guard.pulse(),
        }
        pulses = pulses.wrapping_add(1);
        if pulses.is_multiple_of(PULSES_PER_VERDICT) && guard.is_at_work() {
            guard.judge();
        }
    }
}
