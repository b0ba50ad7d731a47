//! The HTTP edge, spoken to over real sockets.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod catalog;
mod cluster;
mod config;
mod connection;
mod connections;
mod health;
mod metadata;
mod naming;
mod operators;
mod refusals;
mod server;
mod table;

use server::Server;
