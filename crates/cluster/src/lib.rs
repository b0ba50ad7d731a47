//! Nodes and bytes: how commands are agreed on, made durable and applied, on one node or on several.
//!
//! Knows no service and no config. openraft is named in [`raft`] only; [`lanes`] asks other servers what nodes ask each
//! other.

pub mod lanes;
pub mod member;
pub mod raft;
