//! Runs the load driver against this server, and against others, and prints one table (`bench/README.md`).

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::shell;

/// Counts instructions, with Valgrind.
const RUNNER: &str = "gungraun-runner";

/// What to measure, and against whom.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Another server: a name and the command that starts it in the foreground; may be repeated. The first is the
    /// baseline of the ratios. Scripts for known ones are in `bench/targets/`: `--against r-nacos=targets/rnacos.sh`
    #[arg(long, value_name = "NAME=COMMAND")]
    against: Vec<String>,
    /// Scenarios; all if none is named
    #[arg(long, value_name = "NAMES", default_value = "")]
    scenarios: String,
    /// Rounds, interleaved
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Smaller counts, to try things out
    #[arg(long)]
    quick: bool,
    /// The instruction counts of the hot paths instead
    #[arg(long)]
    micro: bool,
    /// The client of this project beside the official one instead, on one server
    #[arg(long, conflicts_with = "micro")]
    sdk: bool,
    /// The channel for services in a registry beside that of tonic instead, and what picking an endpoint costs
    #[arg(long, conflicts_with_all = ["micro", "sdk"])]
    channel: bool,
    /// Three servers of this project instead, one of which restarts: how 3,000 clients even out, with a plot
    #[arg(long, conflicts_with_all = ["micro", "sdk", "channel"])]
    rebalance: bool,
}

/// Measures.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.micro {
        return micro();
    }
    if args.sdk {
        return beside(args, "sdk", "sdkbench", &["--scale", "20"]);
    }
    if args.channel {
        return beside(args, "channel", "channelbench", &["--calls", "2000"]);
    }
    let bench = shell::root().join("bench");
    let built = build()?;
    if args.rebalance {
        return rebalance(&built);
    }
    let mut targets = String::new();
    for other in &args.against {
        let (name, command) = other.split_once('=').with_context(|| format!("{other}: expected NAME=COMMAND"))?;
        writeln!(targets, "{name} | 90 | {command}")?;
    }
    writeln!(targets, "nacrite | 10 | targets/nacrite.sh")?;
    let file = built.join("targets");
    std::fs::write(&file, targets)?;
    let mut compare = shell::command(bench.join("compare.sh"));
    compare.current_dir(&bench).args(["-r", &args.rounds.to_string()]);
    if args.quick {
        compare.arg("-q");
    }
    if !args.scenarios.is_empty() {
        compare.args(["-s", &args.scenarios]);
    }
    compare.env("REGBENCH", built.join("release/regbench"));
    compare.env("NACRITE_BIN", shell::target_dir().join("release/nacrite"));
    shell::run(compare.arg(&file))
}

/// Builds the server and the driver. Returns where the driver is.
fn build() -> anyhow::Result<PathBuf> {
    let built = shell::target_dir().join("bench");
    shell::run(&mut shell::cargo(&["build", "--release", "--package", "nacrite"]))?;
    let mut driver = shell::cargo(&["build", "--release"]);
    shell::run(driver.current_dir(shell::root().join("bench")).env("CARGO_TARGET_DIR", &built))?;
    Ok(built)
}

/// Three servers on ports from 14848, which find each other by their settings. A minute and a half.
fn rebalance(built: &Path) -> anyhow::Result<()> {
    let data = built.join("rebalance");
    // What another run left behind would be read as this one's.
    std::fs::remove_dir_all(&data).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    std::fs::create_dir_all(&data)?;
    let server = shell::target_dir().join("release/nacrite");
    let command = format!(
        "{} server --data-dir {{data}} --http-port {{port}} --set cluster.members={{members}} --set identity.key=bench \
         --set identity.value=bench >>{{data}}.log 2>&1",
        server.display()
    );
    let svg = built.join("rebalance.svg");
    let mut run = shell::command(built.join("release/regbench"));
    run.args(["rebalance", "--http-port", "14848", "--cmd", &command, "--data"]).arg(&data).arg("--svg").arg(&svg);
    shell::run(&mut run)
}

/// A driver that measures what is ours beside what is not, with a server of release build: its folder, its name, and what
/// makes it quick.
fn beside(args: &Args, folder: &str, name: &str, quick: &[&str]) -> anyhow::Result<()> {
    let built = shell::target_dir().join(format!("bench-{folder}"));
    shell::run(&mut shell::cargo(&["build", "--release", "--package", "nacrite"]))?;
    let mut driver = shell::cargo(&["build", "--release"]);
    shell::run(driver.current_dir(shell::root().join("bench").join(folder)).env("CARGO_TARGET_DIR", &built))?;
    let mut run = shell::command(built.join("release").join(name));
    run.args(["--rounds", &args.rounds.to_string(), "--server"]);
    run.arg(shell::target_dir().join("release/nacrite"));
    if args.quick {
        run.args(quick);
    }
    shell::run(&mut run)
}

/// Instructions of the hot paths, counted by Valgrind: the same on a busy machine as on a quiet one.
fn micro() -> anyhow::Result<()> {
    if !shell::has("valgrind") {
        bail!("counting instructions needs valgrind: apt-get install valgrind");
    }
    let runner = runner()?;
    shell::run(shell::cargo(&["bench", "--package", "nacrite-microbench"]).env("GUNGRAUN_RUNNER", runner))
}

/// The program that counts; it must be of the version of the library, so it is installed beside what is built.
fn runner() -> anyhow::Result<PathBuf> {
    let lock: toml::Table = std::fs::read_to_string(shell::root().join("Cargo.lock"))?.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock lists no packages")?;
    let text = |package: &toml::Value, field| package.get(field).and_then(toml::Value::as_str).map(str::to_owned);
    let found = packages.iter().find(|package| text(package, "name").as_deref() == Some(RUNNER));
    let version = found.and_then(|package| text(package, "version")).context("Cargo.lock lacks the runner")?;
    let home = shell::target_dir().join("tools").join(format!("{RUNNER}-{version}"));
    let program = home.join("bin").join(RUNNER);
    if !program.exists() {
        let mut install = shell::cargo(&["install", RUNNER, "--locked", "--version", &version, "--root"]);
        shell::run(install.arg(&home))?;
    }
    Ok(program)
}
