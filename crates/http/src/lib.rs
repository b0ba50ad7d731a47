//! The HTTP edge: v1, v2 and v3 of Nacos's API on one listener.
//!
//! A connection is one task that drives hyper's HTTP/1; a request is answered inside it, without another task, unless it
//! waits for the disk or for a change. [`table`](Table) says everything about an endpoint; the folders `v1`, `v2` and
//! `v3` hold one file per resource, which reads the wire, calls a use case and writes the wire.

mod actuator;
mod batch;
mod body;
mod calls;
mod clients;
mod config;
mod connections;
mod core_ops;
mod health;
mod listener;
mod log_levels;
mod members;
mod namespaces;
mod naming;
mod not_served;
mod params;
mod polling;
mod prometheus;
mod rendered;
mod reply;
mod settings;
mod statuses;
mod table;
mod v1;
mod v2;
mod v3;

pub use listener::serve;
pub use settings::HttpSettings;
pub use table::{Row, Table};
