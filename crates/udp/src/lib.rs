//! The UDP edge: packets that tell clients of the first generation what changed, and what comes back.
//!
//! One socket, from which packets go out and to which their acknowledgements return; nothing is asked over it, and
//! nothing that arrives changes anything but whether a packet is sent once more. Who is told, when and how often is decided
//! in `nacrite-app` (`push/datagrams.rs`); here a list becomes a packet, once per change.

mod rendered;
mod socket;

pub use socket::{bind, start};
