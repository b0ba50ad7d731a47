//! Measures the channel of `nacrite-tonic` beside that of `tonic`: to one address, in one process, in turns of a few
//! milliseconds; and what picking one of a thousand costs. Nothing is decided here but the order of things: `calls` and
//! `picks` say what is done, `table` what is printed.

mod calls;
mod echo;
mod picks;
#[path = "../../../examples/shop/src/generated/shop_v1.rs"]
mod proto;
#[path = "../../sdk/src/server.rs"]
#[expect(dead_code, reason = "the driver of clients needs more of it")]
mod server;
mod table;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::server::Server;
use crate::table::Results;

/// Measures the channel of nacrite-tonic beside that of tonic
#[derive(Parser)]
struct Cli {
    /// The program of the registry
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Rounds, each in a process of its own
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Calls through each channel in each round
    #[arg(long, default_value_t = 20_000)]
    calls: usize,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What a process is that this program starts.
#[derive(Clone, Subcommand)]
enum Role {
    /// Is called
    Echo,
    /// Calls, and prints bare numbers; for profilers: with one channel
    Calls {
        /// Process that is called
        #[arg(long)]
        echo: u32,
        /// Its port
        #[arg(long)]
        port: u16,
        /// Registry, HOST:PORT
        #[arg(long)]
        registry: String,
        /// Calls through each channel
        #[arg(long)]
        calls: usize,
        /// Channels; all if none is named
        #[arg(long, value_enum, value_delimiter = ',')]
        channels: Vec<calls::Kind>,
    },
    /// Picks, and prints bare numbers
    Picks,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match (&cli.role, &cli.server) {
        (Some(Role::Echo), _) => runtime().and_then(|runtime| runtime.block_on(echo::serve())),
        (Some(Role::Calls { echo, port, registry, calls, channels }), _) => {
            let settings = calls::Settings { echo: *echo, port: *port, registry, calls: *calls, channels };
            runtime().and_then(|runtime| runtime.block_on(calls::measure(&settings))).map(print)
        }
        (Some(Role::Picks), _) => picks::measure().map(print),
        (None, Some(server)) => Server::start(server).and_then(|server| measure(&cli, server)),
        (None, None) => Err(anyhow::anyhow!("--server says which registry is to be started")),
    };
    if let Err(error) = &done {
        eprintln!("{error:#}");
    }
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Numbers by name.
type Measured = Vec<(String, f64)>;

fn print(measured: Measured) {
    measured.iter().for_each(|(name, value)| println!("{name} {value}"));
}

fn measure(cli: &Cli, server: Server) -> Result<()> {
    let (began, load) = (Instant::now(), load()?);
    let runtime = runtime()?;
    let mut echo = Echo::start()?;
    let (at, port) = (server.at().to_owned(), echo.port);
    let _registered = runtime.block_on(register(&at, port))?;
    let mut results = Results::default();
    for round in 0..cli.rounds {
        let (process, port, calls) = (echo.process.id().to_string(), port.to_string(), cli.calls.to_string());
        let args = ["calls", "--echo", &process, "--port", &port, "--registry", &at, "--calls", &calls];
        results.add(&child(&args)?)?;
        results.add(&child(&["picks"])?)?;
        eprintln!("round {} of {}, {} s", round + 1, cli.rounds, began.elapsed().as_secs());
    }
    let cores = std::thread::available_parallelism()?;
    print!("{} rounds of {} calls, {cores} cores; load {load}before, {}after\n\n", cli.rounds, cli.calls, self::load()?);
    print!("{}", results.tables());
    echo.process.kill().ok();
    echo.process.wait().ok();
    server.stop()
}

/// Puts the service that is called into the registry, under the name by which it is looked for.
async fn register(registry: &str, port: u16) -> Result<impl Sized> {
    let client = nacrite_client::Client::builder().servers(registry).build()?;
    let instance = nacrite_client::naming::Instance::builder("127.0.0.1", port);
    let registration = client.naming().register(calls::SERVICE, instance).await?;
    Ok((client, registration))
}

/// The service that is called, in a process of its own.
struct Echo {
    process: Child,
    port: u16,
}

impl Echo {
    fn start() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.arg("echo").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Self { process, port: line.trim().parse().context("it says no port")? })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // Gone already after a run that went well.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn child(args: &[&str]) -> Result<String> {
    let output = Command::new(std::env::current_exe()?).args(args).output()?;
    if !output.status.success() {
        bail!("{}: {}\n{}", args.join(" "), output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// One thread: a call is one chain of things that happen, and a second thread would add its waking up by chance.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

/// The machine's load over the last minute, and a blank.
fn load() -> Result<String> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    load.split_inclusive(' ').next().map(str::to_owned).context("no load")
}
