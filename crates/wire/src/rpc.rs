//! The JSON bodies of gRPC requests, as clients write them (`reference/grpc.md`, 4). Nothing here is checked yet;
//! [`crate::from_wire`] does that. Answers are written by [`crate::to_wire`].

pub mod config;
pub mod connection;
pub mod fuzzy;
pub mod naming;
