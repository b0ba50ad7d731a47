//! The HTTP edge, spoken to over real sockets.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod config;
mod connection;
mod naming;
mod operators;
mod refusals;
mod server;
mod table;

use server::Server;
