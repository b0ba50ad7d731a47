//! The switches as every reader of this node sees them: those that are kept, and over them those that were moved on this
//! node alone (`debug=true`), which a restart forgets.

use std::collections::BTreeMap;
use std::sync::Arc;

use nacrite_base::Fault;
use nacrite_base::Switches;
use nacrite_base::switches::SwitchRefusal;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::machine::DurableWrite;
use crate::writes::Writes;

#[derive(Debug, Default)]
struct State {
    /// By the name under which an entry is kept: bounded by the entries that there are.
    kept: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
}

/// The switches.
#[derive(Debug)]
pub struct SwitchBoard {
    state: RwLock<State>,
    current: watch::Sender<Arc<Switches>>,
}

impl Default for SwitchBoard {
    fn default() -> Self {
        Self { state: RwLock::default(), current: watch::Sender::new(Arc::default()) }
    }
}

impl SwitchBoard {
    /// The switches as they are now.
    #[must_use]
    pub fn current(&self) -> Arc<Switches> {
        Arc::clone(&self.current.borrow())
    }

    /// Tells of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Switches>> {
        self.current.subscribe()
    }

    /// A switch was moved for every node. What this node alone had set is over.
    pub(crate) fn keep(&self, entry: &str, value: &str) {
        self.change(|state| {
            state.local.remove(entry);
            state.kept.insert(entry.to_owned(), value.to_owned());
        });
    }

    fn keep_here(&self, entry: &str, value: &str) {
        self.change(|state| {
            state.local.insert(entry.to_owned(), value.to_owned());
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.write();
        change(&mut state);
        let mut switches = Switches::default();
        for (kept_as, value) in state.kept.iter().chain(&state.local) {
            let entry = kept_as.split(':').next().unwrap_or(kept_as);
            if let Err(refusal) = switches.set(entry, value) {
                // A newer version may keep values that this one does not know.
                tracing::warn!(entry, %refusal, "a switch stays as it is by default");
            }
        }
        // Still under the lock, so that of two changes the later one is seen last.
        self.current.send_replace(Arc::new(switches));
    }
}

/// Why a switch was not moved.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The entry does not take the value.
    #[error(transparent)]
    Refused(#[from] SwitchRefusal),
    /// It could not be written.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What can be done with switches.
#[derive(Clone, Debug)]
pub struct SwitchCases {
    board: Arc<SwitchBoard>,
    writes: Writes,
}

impl SwitchCases {
    /// The use cases over the switches.
    #[must_use]
    pub fn new(board: Arc<SwitchBoard>, writes: Writes) -> Self {
        Self { board, writes }
    }

    /// The switches as they are now.
    #[must_use]
    pub fn current(&self) -> Arc<Switches> {
        self.board.current()
    }

    /// Moves a switch, on every node or `here` alone. An entry that nobody knows is no error.
    ///
    /// # Errors
    /// [`SwitchError`].
    pub async fn set(&self, entry: &str, value: &str, here: bool) -> Result<(), SwitchError> {
        let Some(kept_as) = Switches::default().set(entry, value)? else { return Ok(()) };
        tracing::info!(entry = kept_as, value, here, "switch moved");
        if here {
            self.board.keep_here(kept_as, value);
            return Ok(());
        }
        Ok(self.writes.write(DurableWrite::Switch { entry: kept_as, value: value.to_owned() }).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_for_all_ends_what_was_moved_here() {
        let board = SwitchBoard::default();
        board.keep("lightBeatEnabled", "true");
        board.keep_here("lightBeatEnabled", "false");
        board.keep_here("check", "false");
        assert!(!board.current().light_beat && !board.current().health_check);
        board.keep("lightBeatEnabled", "true");
        assert!(board.current().light_beat && !board.current().health_check);
    }

    #[test]
    fn each_language_has_its_own_version() {
        let board = SwitchBoard::default();
        board.keep("pushVersion:java", "java:2.6.0");
        board.keep("pushVersion:c", "c:1.1.0");
        assert_eq!(
            board.current().push_versions.iter().map(|v| &**v).collect::<Vec<_>>(),
            ["0.1.0", "2.6.0", "0.4.3", "1.1.0", "0.9.0"]
        );
    }

    #[test]
    fn a_value_of_a_newer_version_leaves_the_default() {
        let board = SwitchBoard::default();
        board.keep("clientBeatInterval", "often");
        board.keep("pushEnabled", "false");
        assert_eq!((board.current().beat_interval_ms, board.current().push), (5000, false));
    }
}
