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
    Ok(LogControl::new(levels, move |levels| {
        let filter = self::filter(levels)?;
        handle.reload(filter).map_err(|error| error.to_string())
    }))
}

/// Levels as they are written: a level, or levels by part. openraft tells at `info` what is only of use to who works on
/// it, so it is asked for by name.
fn filter(levels: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(format!("openraft=warn,{levels}")).map_err(|error| {
        format!("{levels:?} is not understood ({error}); write a level, or levels by part: info,nacrite_grpc=debug")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_nonsense_is_refused() {
        for levels in ["info", "DEBUG", "info,nacrite_grpc=debug", "openraft=info"] {
            assert!(filter(levels).is_ok(), "{levels}");
        }
        let refused = filter("shout=loud=now").expect_err("nonsense");
        assert!(refused.contains("is not understood"), "{refused}");
    }
}
