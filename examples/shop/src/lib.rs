//! What the processes of the shop share: the words of the price service, the names under which they find each other, and
//! how the processes are started and ended.

use std::io::{IsTerminal, stderr};

use tracing::Level;

pub mod names;
pub mod proto;
pub mod stage;

/// Tells on standard error what somebody should know of: warnings and errors.
pub fn log() {
    tracing_subscriber::fmt().with_max_level(Level::WARN).with_writer(stderr).with_ansi(stderr().is_terminal()).init();
}
