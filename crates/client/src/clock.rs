//! The clock of this crate: Tokio's, so that a test can pause it. Nothing else reads a clock of its own.

use tokio::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads a clock; tests pause Tokio's")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970 by the clock on the wall, for what is compared outside of this process. May jump.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads a clock")]
pub(crate) fn wall_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock that stands before 1970 is taken for one that stands at it.
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
