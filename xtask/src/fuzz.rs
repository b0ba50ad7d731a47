//! Feeds broken input to what reads input (`fuzz/README.md`).

use crate::report::{Report, counts_in};
use crate::shell;

/// Every target, as the tests of the crate `nacrite-fuzz` are called.
const TARGETS: [&str; 7] =
    ["payload", "http_params", "http2_server", "log_open", "naming_commands", "client_messages", "push_packet"];

/// What to feed, and for how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Targets; all if none is named
    targets: Vec<String>,
    /// Seconds for each
    #[arg(long, default_value_t = 300)]
    seconds: u64,
}

/// Feeds every named target for its time.
pub(crate) fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let is_wanted = |target: &&&str| args.targets.is_empty() || args.targets.iter().any(|wanted| wanted == **target);
    for target in TARGETS.iter().filter(is_wanted) {
        let name = format!("broken input for {target}, {} s", args.seconds);
        report.part(&name, |report| {
            let mut test = shell::cargo(&["test", "--release", "--package", "nacrite-fuzz", "--test", target]);
            test.env("BOLERO_RANDOM_TEST_TIME_MS", (args.seconds * 1000).to_string());
            test.env("BOLERO_RANDOM_ITERATIONS", usize::MAX.to_string());
            let (status, said) = shell::tee(&mut test)?;
            report.counted(&name, counts_in(&said), status.success());
            anyhow::Ok(())
        })?;
    }
    Ok(())
}
