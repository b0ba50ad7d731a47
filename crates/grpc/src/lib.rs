//! The gRPC edge: both services of the Nacos protocol on one listener.
//!
//! A connection is one task that owns the socket and everything on it: unary calls, the stream, pushes. That gives a
//! request its connection without any lookup, answers a burst of requests with one write to the socket, and costs an
//! idle client little memory. The framing of gRPC is written here and that of HTTP/2 in `nacrite-http2`, for those reasons
//! (`docs/adr/0001-grpc-on-h2.md`, `docs/adr/0008-http2-of-our-own.md`).

mod calls;
mod connection;
mod handlers;
mod listener;
mod push;
mod rendered;
mod socket;
mod status;
mod stream;
mod table;
mod wakes;

pub use listener::serve;
pub use table::{Row, Senders, Table};
