//! `verify`, which writes nothing, `fix`, which writes what can be written, and `test`, which runs everything.

use crate::report::{Report, counts_in};
use crate::{golden, interop, shell, tidy};

/// What to leave out.
#[derive(clap::Args)]
pub(crate) struct TestArgs {
    /// Leave out the recordings and the official clients, which need Go, Java, Node and Python
    #[arg(long)]
    no_interop: bool,
}

/// Every check.
pub(crate) fn test(args: &TestArgs, report: &mut Report) -> anyhow::Result<()> {
    verify(report)?;
    let made = ["run", "--quiet", "--package", "xtask", "--features", "gen-proto", "--", "gen-proto", "--check"];
    check(report, "code made of .proto files", &mut shell::cargo(&made));
    report.part("tests", |report| {
        let (status, said) = shell::tee(&mut shell::cargo(&["test", "--workspace", "--no-fail-fast"]))?;
        report.counted("tests", counts_in(&said), status.success());
        anyhow::Ok(())
    })?;
    if args.no_interop {
        return Ok(());
    }
    golden::run(report)?;
    interop::run(&interop::Args::all(), report)
}

/// Format, lints, house rules, dependencies.
pub(crate) fn verify(report: &mut Report) -> anyhow::Result<()> {
    check(report, "format", &mut shell::cargo(&["fmt", "--all", "--check"]));
    let mut clippy = shell::cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
    check(report, "lints", &mut clippy);
    let mut docs = shell::cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
    check(report, "documentation", docs.env("RUSTDOCFLAGS", "--deny warnings"));
    if shell::has("cargo-deny") {
        check(report, "dependencies", &mut shell::cargo(&["deny", "--all-features", "check"]));
    } else {
        println!("\nmissing: cargo-deny, so licences, bans and advisories are not checked (cargo install cargo-deny)");
    }
    tidy::run(report)
}

/// Writes what can be written.
pub(crate) fn fix() -> anyhow::Result<()> {
    shell::run(&mut shell::cargo(&["fmt", "--all"]))?;
    let page = shell::answer(&mut shell::cargo(&["run", "--quiet", "--package", "nacrite", "--", "settings"]))?;
    std::fs::write(shell::root().join("docs/operating/configuration.md"), page)?;
    Ok(())
}

fn check(report: &mut Report, name: &str, command: &mut std::process::Command) {
    report.part(name, |report| match shell::run(command) {
        Ok(()) => report.passed(1),
        Err(error) => report.failed(name, &format!("{error:#}")),
    });
}
