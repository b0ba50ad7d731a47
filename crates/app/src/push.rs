//! How changes reach those who asked for them.
//!
//! `settle` decides when, `outbox` holds for each connection what it must still be told, `ack` watches that it was
//! told, `told` and `ledger` remember what became of it; `datagrams` is all of that for clients without a connection.
//! Nothing here holds a list of old states: what is sent is always the present.

pub mod ack;
pub mod datagrams;
pub(crate) mod delayed;
pub mod fuzzy;
pub mod latencies;
pub mod ledger;
pub mod listeners;
pub mod long_poll;
pub mod outbox;
pub mod report;
pub mod settle;
pub mod tally;
pub mod told;
