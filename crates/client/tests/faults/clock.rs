//! Time inside a test: read here alone, and made virtual where only timers are measured.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

/// Virtual time goes in steps of this. A socket of this machine has its bytes after a step or two; without steps time would
/// jump to the next timer, over all that the sockets have to say.
const STEP: Duration = Duration::from_millis(1);

/// Now.
#[expect(clippy::disallowed_methods, reason = "the one place of these tests that reads a clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// While this lives, time passes only when there is nothing to do. Needs a runtime of one thread.
pub(crate) struct VirtualTime {
    _metronome: JoinSet<()>,
}

impl VirtualTime {
    /// Begins.
    pub(crate) fn begin() -> Self {
        tokio::time::pause();
        let mut metronome = JoinSet::new();
        metronome.spawn(async {
            loop {
                tokio::time::sleep(STEP).await;
            }
        });
        Self { _metronome: metronome }
    }
}

impl Drop for VirtualTime {
    fn drop(&mut self) {
        tokio::time::resume();
    }
}
