//! What is logged, and changing it while the server runs. Logs go to standard error, one line per event.

use std::io::IsTerminal;

use anyhow::anyhow;
use nacrite_app::logging::LogControl;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, reload};

/// Starts logging. Call once.
///
/// # Errors
/// `levels` is not understood.
pub(crate) fn start(levels: &str) -> anyhow::Result<LogControl> {
    let filter = filter(levels).map_err(|why| anyhow!("log: {why}"))?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(LogControl::new(move |levels| {
        let filter = self::filter(levels)?;
        handle.reload(filter).map_err(|error| error.to_string())
    }))
}

/// Levels as they are written: a level, or levels by part.
fn filter(levels: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(levels).map_err(|error| {
        format!("{levels:?} is not understood ({error}); write a level, or levels by part: info,nacrite_grpc=debug")
    })
}
