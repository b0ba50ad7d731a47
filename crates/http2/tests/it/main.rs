//! The server's end of HTTP/2, spoken to in frames, and by a client that is not ours.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

mod flow;
mod hostile;
mod leaving;
mod peers;
mod pieces;
mod rules;
mod script;
