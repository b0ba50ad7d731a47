//! The binary, as a user runs it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod cli;
mod crash;
mod leaving;
mod process;
mod start;
