//! Registration bound to the life of a server: registered when its handlers answer, taken back before it stops.
//!
//! ```text
//! bound → serving → ready → registered → running → leaving: taken back → callers notice → drained → closed
//! ```
//!
//! A server is found by callers only while it answers them. It is registered when its own address answers and the program
//! is ready, and not before; when it leaves, by SIGTERM, Ctrl-C or a call, the registration goes first, requests are served
//! on until callers have noticed, and only then nobody new is accepted. Each step is bounded and happens once, one bound holds
//! over all of leaving, and whoever is told twice to leave ends at once.
//!
//! Frameworks come with it by crates of their own, in one line: `nacrite-axum`, `nacrite-actix`, `nacrite-tonic`. For all
//! others there is [`Registrar::run`].
//!
//! | Where | What |
//! |---|---|
//! | [`RegisterSettings`] | what is registered, from code, TOML and environment, by the names that Nacos's starters have too |
//! | [`Registrar`] | a registration before it is run: hooks, readiness |
//! | [`RegistrarHandle`] | while it runs: its state, changes, leaving |
//! | [`Lifecycle`] | several servers that leave together |
//! | [`Bounds`] | how long each step may take |

mod address;
mod bounds;
mod connections;
mod enroll;
mod hooks;
mod life;
mod lifecycle;
mod listening;
mod metadata;
mod probe;
mod registrar;
mod run;
mod settings;
mod state;

pub use address::Network;
pub use bounds::Bounds;
pub use connections::{Connections, Tracked};
pub use lifecycle::Lifecycle;
pub use listening::{Listening, Stop};
pub use probe::Probe;
pub use registrar::{Registrar, RegistrarHandle};
pub use run::ServeError;
pub use settings::{IpType, Loopback, Management, OnFailure, RegisterSettings, Setting, names};
pub use state::{Farewell, LeaveReason, LeaveStep, RegistrarState, Standing};
