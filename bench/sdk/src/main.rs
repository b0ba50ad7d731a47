//! Measures `nacrite-client` beside `nacos-sdk`: on one server, in one run, each in processes of its own, and prints
//! one table. Nothing is decided here but the order of things; `work` says what is done, `table` what it is compared
//! with.

mod ours;
mod sdk;
mod server;
mod table;
mod theirs;
mod work;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};

use crate::server::Server;
use crate::table::Results;
use crate::work::Phase;

/// Measures nacrite-client beside nacos-sdk
#[derive(Parser)]
struct Cli {
    /// The program of the server on which both are measured
    #[arg(long, value_name = "FILE", required_unless_present = "at")]
    server: Option<PathBuf>,
    /// A server that runs already, HOST:PORT for HTTP: measures one client there, and prints bare numbers; for
    /// profilers
    #[arg(long, value_name = "ADDRESS", conflicts_with = "server", requires_all = ["sdk", "phases"])]
    at: Option<String>,
    /// Which of the two
    #[arg(long, value_enum, requires = "at")]
    sdk: Option<Which>,
    /// Phases; all if none is named
    #[arg(long, value_enum, value_delimiter = ',')]
    phases: Vec<Phase>,
    /// Rounds; the two take turns
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Threads of the runtime on which a client is called
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Per cent of the usual number of operations
    #[arg(long, default_value_t = 100)]
    scale: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Ours,
    Theirs,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match (&cli.server, &cli.at, cli.sdk) {
        (Some(server), _, _) => Server::start(server).and_then(|server| measure_both(&cli, server)),
        (None, Some(at), Some(sdk)) => measure_one(&cli, at, sdk),
        _ => unreachable!("the options require each other"),
    };
    if let Err(error) = &done {
        eprintln!("{error:#}");
    }
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure_both(cli: &Cli, server: Server) -> Result<()> {
    let (began, load) = (Instant::now(), load()?);
    let runtime = runtime(1)?;
    // Whoever looks instances up finds these; their owner is this process, which is not measured.
    let _fixture = runtime.block_on(work::fixture(server.at()))?;
    let phases = if cli.phases.is_empty() { Phase::value_variants() } else { &cli.phases };
    let mut results = Results::default();
    for round in 0..cli.rounds {
        // Who begins changes with each round, so that neither always finds the server in the same state.
        let order = if round % 2 == 0 { [Which::Ours, Which::Theirs] } else { [Which::Theirs, Which::Ours] };
        for phase in phases {
            for sdk in order {
                results.add(sdk, &child(cli, sdk, *phase, &server)?)?;
            }
        }
        eprintln!("round {} of {}, {} s", round + 1, cli.rounds, began.elapsed().as_secs());
    }
    let cores = std::thread::available_parallelism()?;
    print!("{} rounds, {} threads, {cores} cores; load {load}before, ", cli.rounds, cli.threads);
    print!("{}after\n\n{}", self::load()?, results.table());
    server.stop()
}

/// Measures one of them in a process of its own, so that neither inherits what the other left behind.
fn child(cli: &Cli, sdk: Which, phase: Phase, server: &Server) -> Result<String> {
    let (sdk, phase) = (name(sdk), name(phase));
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--at", server.at(), "--sdk", &sdk, "--phases", &phase]).env("TMPDIR", server.scratch());
    command.args(["--threads", &cli.threads.to_string(), "--scale", &cli.scale.to_string()]);
    let output = command.output()?;
    if !output.status.success() {
        bail!("{sdk}, {phase}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn measure_one(cli: &Cli, at: &str, sdk: Which) -> Result<()> {
    let runtime = runtime(cli.threads)?;
    for phase in &cli.phases {
        let measured = match sdk {
            Which::Ours => runtime.block_on(work::run::<ours::Ours>(*phase, at, cli.scale))?,
            Which::Theirs => runtime.block_on(work::run::<theirs::Theirs>(*phase, at, cli.scale))?,
        };
        measured.iter().for_each(|(name, value)| println!("{name} {value}"));
    }
    Ok(())
}

/// As it is written on the command line.
fn name(choice: impl ValueEnum) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?)
}

/// The machine's load over the last minute, and a blank.
fn load() -> Result<String> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    load.split_inclusive(' ').next().map(str::to_owned).context("no load")
}
