//! Channels before real servers of gRPC, inside the test.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod attempts;
mod calls;
mod churn;
mod connections;
mod echo;
mod lists;
mod policies;
mod registry;
mod rules;
mod secure;
mod server;
mod told;
