//! Durable bytes: the log, the state that follows from it, snapshots, and what happens when they are opened again.
//!
//! Knows bytes, not what they mean: no Raft, no service, no config. Everything is synchronous and blocks; whoever owns
//! a file gives it a thread (`nacrite-cluster`). File formats and the argument for durability: `docs/design/storage.md`.

mod batch;
mod engine;
pub mod error;
#[cfg(feature = "faulty")]
pub mod faulty;
mod frame;
pub mod log;
pub mod notes;
pub mod recover;
pub mod snapshot;
pub mod state;
pub mod table;

pub use batch::Batch;
pub use engine::Durability;
pub use error::{Damage, OpenError, Part, StoreError};
pub use log::{LogBatch, LogFile, LogReader, LogView, Mark, Record};
pub use notes::{NoteBatch, NoteFile};
pub use recover::{DataDir, Finding, Opened, StoreSettings};
pub use snapshot::{SnapshotFile, Snapshots};
pub use state::{Scan, StateFile, StateReader, StateView};
pub use table::Table;
