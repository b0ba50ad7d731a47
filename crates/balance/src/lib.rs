//! Who takes the next call.
//!
//! Everything a caller decides between a list of endpoints and an answer, as values and step functions. Nothing here opens a
//! socket, reads a clock, starts a task or knows a framework: times and random numbers are arguments, so that a test says
//! what happens when.
//!
//! - [`endpoint`]: an endpoint, and what is known about the way to it; [`subchannel`]: how one connection lives
//! - [`policy`]: which endpoints are to be connected, and which one takes a call
//! - [`outlier`]: which endpoints take none for a while because too many calls fail
//! - [`service_config`]: what the owner of a service says about calls to it
//! - [`retry`], [`hedge`], [`throttle`]: whether and when a call is sent again
//!
//! ```
//! use nacrite_balance::{Call, Connectivity, Endpoint, Member, Pick};
//! use nacrite_balance::policy::PolicyRegistry;
//!
//! let policy = PolicyRegistry::standard().by_name("weighted_round_robin")?;
//! let heavy = Endpoint { weight: 3.0, ..Endpoint::new("10.0.0.1", 80) };
//! let mut members = [Member::idle(heavy), Member::idle(Endpoint::new("10.0.0.2", 80))];
//! // Nobody is connected yet: calls wait.
//! assert_eq!(policy.picker(&members).pick(&Call::default()), Pick::Wait);
//!
//! // Whoever holds the connections asks again whenever something changed.
//! members.iter_mut().for_each(|member| member.state = Connectivity::Ready);
//! let picker = policy.picker(&members);
//! let first = (0..400).filter(|_| picker.pick(&Call::default()) == Pick::Take(0)).count();
//! assert_eq!(first, 300);
//! # Ok::<(), nacrite_balance::json::Invalid>(())
//! ```

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
