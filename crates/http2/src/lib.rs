//! The server's end of HTTP/2 (RFC 9113), as far as gRPC uses it, as a step function.
//!
//! [`Server::receive`] takes bytes that arrived and tells what happened; answers are handed over with [`Server::headers`],
//! [`Server::send`] and [`Server::finish`]; [`Server::flush`] makes of them the bytes to write. It knows no socket, no clock
//! and no task, and holds what a connection needs and nothing more: an idle one costs a few hundred bytes.
//!
//! What gRPC has no use for is missing: pushed responses, priorities, other methods than those a server is asked for by path.
//! Header fields other than the path and the encoding of messages are checked, and forgotten. A `content-length` is not
//! compared with what arrives: gRPC's messages carry their own length, and no request is passed on.
//!
//! What one client can make of it is bounded: by [`Limits`]; by [`Server::wants_input`], to be asked before each read; and by
//! what is sent, of which [`Server::waiting`] tells how much the client gave no room for. Frames that say nothing cost their
//! reading.

mod fault;
mod frame;
mod hpack;
mod output;
mod receive;
mod send;
mod server;
mod stream;

pub use fault::{Fault, Reason};
pub use frame::PREFACE;
pub use hpack::HeaderBlock;
pub use server::{Event, Limits, Server};
pub use stream::StreamId;
