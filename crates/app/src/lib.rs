//! The use cases, where rules, store, cluster and push meet. The only bridge between them; never sees the wire.
//!
//! [`App::start`] builds everything. The edges (`nacrite-grpc`, `nacrite-http`) read requests, pass the checks of
//! [`pipeline`] and call [`naming::Naming`] and [`config::ConfigCases`]; what must reach clients waits for them in the
//! outbox of each connection ([`push`]).

pub mod app;
pub mod balance;
pub mod config;
pub mod connections;
pub mod control;
pub mod drain;
pub mod guard;
pub mod health;
pub mod history;
pub mod limits;
pub mod logging;
pub mod machine;
pub mod metrics;
pub mod moving;
pub mod namespaces;
pub mod naming;
pub mod owner;
pub mod pipeline;
pub mod push;
pub mod reconcile;
pub mod switches;
pub mod tasks;
pub mod writes;

pub use app::{App, AppSettings, Outside};
