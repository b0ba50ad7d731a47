//! What the crate promises to those outside: its numbers are the documented ones.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod codes;
