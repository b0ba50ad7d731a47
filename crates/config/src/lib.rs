//! The config centre as a step function: commands go in, what to keep and whom to tell come out.
//!
//! Pure: no clock, no disk, no wire format, and no contents. A content is known by its digest and by the id under which
//! the store keeps it; whoever owns the [`Catalog`] (`nacrite-app`) moves the bytes.

pub mod catalog;
pub mod command;
pub mod effects;
pub mod gray;
pub mod history;
pub mod invariants;
pub mod listen;

pub use catalog::{Catalog, Entry, Version};
pub use command::Command;
pub use effects::{Effects, Keep, Refusal};
pub use gray::{GrayRule, GrayVersion, Labels, Selected};
pub use history::{HistoryRow, Operation};
pub use listen::Listeners;

/// Where the store keeps a content, and the number of whatever a command makes: unique, growing, the same on every
/// node, because it is made from the command's place in the log.
pub type RowId = u64;

/// The maps of this crate: a fixed seed, so that a simulated run repeats itself.
pub(crate) type HashMap<K, V> = hashbrown::HashMap<K, V, foldhash::quality::FixedState>;
