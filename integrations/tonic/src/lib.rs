//! gRPC services that register themselves, and channels that follow a registry.

pub mod serve;
