//! Who takes the next call.
//!
//! Everything a caller decides between a list of endpoints and an answer, as values and step functions: which endpoints
//! are to be connected and which one takes a call ([`policy`]), how one connection lives ([`subchannel`]), and the words for
//! all of it ([`endpoint`]). Nothing here opens a socket, reads a clock, starts a task or knows a framework: times are arguments, so that a test says what happens when.

pub mod attempt;
pub mod backoff;
pub mod code;
pub mod endpoint;
pub mod hedge;
pub mod json;
pub mod outlier;
pub mod policy;
pub mod retry;
pub mod service_config;
pub mod subchannel;
pub mod throttle;

pub use endpoint::{Connectivity, Endpoint, Load, Member};
pub use policy::{Call, Pick, Picker, Policy, Wanted};
