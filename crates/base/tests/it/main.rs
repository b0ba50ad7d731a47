//! The rules of fuzzy watch, told as a script.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod fuzzy_watch;
