//! The durable plane: a journal of commands, agreed on by a majority, and the state that follows from it.
//!
//! A single server is a group of one and takes the same path as a group of five. [`Journal`] is what the rest of the
//! server sees; behind it, in the order in which a command passes:
//!
//! ```text
//! Journal::propose ─▶ proposer ─▶ openraft ─▶ log_store ─▶ log_writer (thread, fsync)
//!                                    │ committed
//!                                    ▼
//!                             state_machine ─▶ state_thread (Machine::apply, publish) ─▶ the answer
//! ```
//! Who may wait for whom, and what is lost when: `docs/design/storage.md`.

mod codec;
mod compaction;
#[cfg(test)]
mod contract;
mod fatal;
mod journal;
mod log_store;
mod log_writer;
mod metrics;
mod network;
mod proposer;
mod settings;
mod state_machine;
mod state_thread;
mod tail;
mod types;

pub use self::fatal::OnFatal;
pub use self::journal::Journal;
pub use self::metrics::JournalMetrics;
pub use self::proposer::{Committed, ProposeError};
pub use self::settings::{RaftSettings, SyncMode};
pub use self::state_thread::Machine;
