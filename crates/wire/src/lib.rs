//! Nacos's words, both ways. The only crate that knows how requests and answers look on the wire, and
//! [`codes`] the only file that knows Nacos's numbers.
//!
//! `rpc` holds the JSON bodies as a server receives them, `from_wire` turns them into checked words of the domain,
//! `to_wire` writes answers and pushes; `control` has the names and rules of what can be limited; `client` is the same conversation from the other end. No socket, no state.

pub mod client;
pub mod codes;
pub mod control;
pub mod frame;
pub mod from_wire;
pub mod http;
pub mod json;
pub mod lenient;
pub mod payload;
pub mod push_packet;
pub mod rpc;
pub mod service_info;
pub mod to_wire;
