//! Who takes the next call.
//!
//! Everything a caller decides between a list of endpoints and an answer, as values and step functions: which endpoints
//! are to be connected and which one takes a call ([`policy`]), and the words for both ([`endpoint`]). Nothing here opens a
//! socket, reads a clock, starts a task or knows a framework: times are arguments, so that a test says what happens when.

pub mod endpoint;
pub mod policy;

pub use endpoint::{Connectivity, Endpoint, Load, Member};
pub use policy::{Call, Pick, Picker, Policy, Wanted};
