//! The clock of this crate: Tokio's, so that a test can pause it. Nothing else reads a clock of its own.

use tokio::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads a clock; tests pause Tokio's")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
