//! Opens the shop of `examples/shop`, or tries it under load (`docs/how-to/shop.md`).

use std::os::unix::process::CommandExt;

use anyhow::anyhow;

use crate::report::{Report, counts_in};
use crate::shell;

/// What to do with the shop.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Instead of opening it, try it with everything: release builds, 2,000 calls/s, a minute for each test, the registry
    /// away for ten
    #[arg(long)]
    full: bool,
    /// Arguments of the shop, for example `-- --weights 1,2,7`
    #[arg(last = true, conflicts_with = "full")]
    shop: Vec<String>,
}

/// Runs the tests with everything, or the shop in the place of this program.
pub(crate) fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    if args.full { full(report) } else { open(args) }
}

/// Builds without optimisation: it is about to be looked at, not measured.
fn open(args: &Args) -> anyhow::Result<()> {
    println!("building the shop and its registry; the first time takes a few minutes");
    shell::run(&mut shell::cargo(&["build", "--package", "nacrite"]))?;
    shell::run(&mut shell::cargo(&["build", "--package", "shop"]))?;
    let shop = shell::target_dir().join("debug/shop");
    let error = shell::command(&shop).args(&args.shop).exec();
    Err(anyhow!("{} cannot be started: {error}", shop.display()))
}

fn full(report: &mut Report) -> anyhow::Result<()> {
    report.part("the shop under load", |report| {
        shell::run(&mut shell::cargo(&["build", "--release", "--package", "nacrite"]))?;
        let mut test = shell::cargo(&["test", "--release", "--package", "shop", "--test", "it"]);
        test.args(["--", "--nocapture", "--test-threads", "1"]).env("SHOP_FULL", "1");
        let (status, said) = shell::tee(&mut test)?;
        report.counted("the shop under load", counts_in(&said), status.success());
        Ok(())
    })
}
