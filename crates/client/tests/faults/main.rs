//! The client under faults: the way to the server is cut, stands still, is slow, is refused; servers restart and die; what
//! they say is spoilt. Bounds are those that the crate promises its users.
//!
//! Where only the client's own timers decide, time is virtual (`clock`): a busy machine cannot make these tests fail.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]
#![expect(clippy::panic, reason = "a test that cannot go on stops")]

mod again;
mod clock;
mod deadlines;
mod fields;
mod noticed;
mod outages;
mod proxy;
mod reconnects;
mod returns;
mod samples;
mod spoil;
mod told;
mod versions;
