//! For tests alone: a server inside the test, and clients that say exactly what a test wants to say, right or wrong.
//!
//! Everything here panics when it cannot do what it was asked: a test that cannot be set up has failed.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up has failed")]

pub mod grpc;
pub mod node;

pub use grpc::GrpcClient;
pub use node::Node;
