//! Who holds what changes, and how it is locked.
//!
//! The registry: one short mutex per shard, no await in reach, readers share it (`docs/adr/0002-registry-locks.md`).
//! The catalogue of configs: the state machine's thread writes, readers look up shared entries under a read lock.

pub mod configs;
pub mod registry;
