//! The client as its users see it: against a server of this project, and against a scripted one.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

mod auth;
mod config;
mod discover;
mod http;
mod http_server;
mod import;
mod link;
mod metrics;
mod naming;
mod servers;
