//! The outside world as values that are passed in: the clock, randomness, connections to others, named threads.
//!
//! The rest of the server reads no clock and starts no thread by itself, so that a test decides what time it is. This
//! crate is the only one that is allowed to (`clippy.toml`).

pub mod clock;
pub mod dial;
pub mod process;
pub mod random;
pub mod threads;

pub use clock::{Clock, SharedClock};
pub use dial::{Dial, SharedDial};
pub use random::{Random, SharedRandom};
