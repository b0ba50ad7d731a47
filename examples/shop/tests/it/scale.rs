//! How long and how hard: gently within the tests, with everything when it is asked for.

use std::time::Duration;

/// Set for the long run.
const FULL: &str = "SHOP_FULL";

/// How much load, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Calls that are due each second.
    pub per_second: u32,
    /// How long load lasts in all, at least.
    pub lasting: Duration,
    /// How long between two things that happen.
    pub calm: Duration,
    /// How long the registry is away.
    pub outage: Duration,
    /// How long after its return nothing may flap. It shows instances of its last run for up to 30 s.
    pub settled: Duration,
}

impl Scale {
    /// What was asked for.
    pub(crate) fn asked() -> Self {
        let s = Duration::from_secs;
        if std::env::var_os(FULL).is_some() {
            Self { per_second: 2_000, lasting: s(60), calm: s(8), outage: s(600), settled: s(60) }
        } else {
            // Builds without optimisation, on a machine that has other things to do.
            Self { per_second: 300, lasting: s(10), calm: s(1), outage: s(8), settled: s(10) }
        }
    }
}
