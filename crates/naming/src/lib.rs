//! The registry as a step function: commands and the time go in, effects come out.
//!
//! Pure: no clock, no socket, no task, no wire format. One [`Registry`] holds the services of one shard; whoever owns
//! it (`nacrite-app`) serialises the commands, delivers the effects and hands out the views.

pub mod command;
pub mod durable;
pub mod effects;
mod expiry;
pub mod filter;
pub mod guard;
pub mod health;
mod heard;
pub mod invariants;
mod polls;
pub mod probe;
pub mod registry;
mod service;
pub mod view;

pub use command::{Command, Lost, Override, ServiceMetadata, Subscription};
pub use durable::{Durable, DurableCommand};
pub use effects::{Effects, Refusal};
pub use filter::ClusterFilter;
pub use guard::{Census, Doubt, Guard, GuardRules, Verdict};
pub use registry::{Registry, Rules};
pub use view::{Selection, ServiceView};

/// The maps of this crate: a fixed seed, so that a simulated run repeats itself.
pub(crate) type HashMap<K, V> = hashbrown::HashMap<K, V, foldhash::quality::FixedState>;
