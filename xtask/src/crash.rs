//! Kills the server under load, again and again (`crates/nacrite/tests/it/crash.rs`).

use crate::report::{Report, counts_in};
use crate::shell;

/// How often.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often the server is killed and started again
    #[arg(long, default_value_t = 200)]
    rounds: u32,
}

/// Runs the crash test in release.
pub(crate) fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let name = format!("{} crashes", args.rounds);
    report.part(&name, |report| {
        let mut test = shell::cargo(&["test", "--release", "--package", "nacrite", "--test", "it", "crash"]);
        test.args(["--", "--nocapture"]).env("CRASH_ROUNDS", args.rounds.to_string());
        let (status, said) = shell::tee(&mut test)?;
        report.counted(&name, counts_in(&said), status.success());
        Ok(())
    })
}
