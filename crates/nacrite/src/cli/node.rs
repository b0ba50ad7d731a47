//! `nacrite node`: how clients are spread over servers, evening them out, and taking a server out of service.
//!
//! Over HTTP, in the words of v3. What takes time is asked for, then watched: whoever stops watching stops nothing.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::{Args, Subcommand};
use nacrite_client::ServerAddress;

use super::connect::Connection;
use super::errand;
use super::failure::{self, Failure, Kind};
use super::http::session::{fields, log_in};
use super::http::{self, Question};
use super::output::{self, OutputArgs, Value};

/// How often it is asked how far things are.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Clients are even if no server is further from the mean than this, in hundredths.
const EVEN_WITHIN_PERCENT: u64 = 5;

/// What to do with servers.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Show how many clients each server has
    #[command(after_help = failure::help(LOAD_HELP))]
    Load(LoadArgs),
    /// Even clients out over the servers, and watch until they are
    #[command(after_help = failure::help(BALANCE_HELP))]
    Balance(BalanceArgs),
    /// Hand the clients of a server to the others and take no new ones, before it is stopped
    #[command(after_help = failure::help(DRAIN_HELP))]
    Drain(DrainArgs),
}

const LOAD_HELP: &str = "\
Examples:
  nacrite node load -s 10.0.0.1:8848

Asks one server, which asks the others that its `cluster.members` name. A server that does not answer is not shown.";
const BALANCE_HELP: &str = "\
Examples:
  nacrite node balance -s 10.0.0.1:8848
  nacrite node balance --tolerance 0.05 --wait 120

Nothing is done while no server is further from the mean than tolerated. Clients are told so many per second
(`balance.per_second`); each goes by itself, and no call of it fails.";
const DRAIN_HELP: &str = "\
Examples:
  nacrite node drain -s 10.0.0.1:8848 && systemctl stop nacrite
  nacrite node drain --within 120
  nacrite node drain --cancel

New clients are refused with the reason, and those that are there are sent to the other servers of `cluster.members`.
The exit code is 1 if some stay; they are served until the server stops. A server that is told to stop does all this by
itself (`connection.drain_ms`).";

/// How servers are asked about their clients.
#[derive(Args, Debug)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

/// How clients are evened out.
#[derive(Args, Debug)]
pub(crate) struct BalanceArgs {
    /// Share of the mean by which servers may differ
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    tolerance: f32,
    /// How long to watch, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
    #[command(flatten)]
    connection: Connection,
}

/// How a server is drained.
#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// How long clients may take to go, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    within: u64,
    /// Take clients again instead
    #[arg(long)]
    cancel: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Runs a command about servers.
///
/// # Errors
/// Why it was not done.
pub(crate) fn run(command: NodeCommand) -> Result<(), Failure> {
    match command {
        NodeCommand::Load(args) => errand::to_end(args.connection.access.verbosity(), load(&args)),
        NodeCommand::Balance(args) => errand::to_end(args.connection.access.verbosity(), balance(&args)),
        NodeCommand::Drain(args) => errand::to_end(args.connection.access.verbosity(), drain(&args)),
    }
}

/// One server that is asked.
struct Operator<'a> {
    server: ServerAddress,
    connection: &'a Connection,
    token: Option<String>,
}

impl<'a> Operator<'a> {
    async fn at(connection: &'a Connection) -> Result<Self, Failure> {
        let mut servers = connection.servers()?;
        if servers.len() > 1 {
            return Err(Failure::usage("name one server: this is about that one"));
        }
        let server = servers.remove(0);
        let token = log_in(&server, &connection.access).await?;
        Ok(Self { server, connection, token })
    }

    /// Asks, and returns the scalars of the answer by their paths.
    async fn ask(&self, question: impl FnOnce(String) -> Question, path: &str) -> Result<Fields, Failure> {
        let access = &self.connection.access;
        let mut question = question(format!("{}/v3/admin/core/{path}", access.path_prefix()));
        if let Some(token) = &self.token {
            question = question.header("accessToken", token);
        }
        let answer = http::ask(&self.server, &question, access.within()).await?;
        let fields = fields(&answer.body).unwrap_or_default();
        let is_done = answer.status == 200 && fields.get("code").is_none_or(|code| code == "0");
        if is_done {
            return Ok(Fields(fields));
        }
        let kind = match answer.status {
            401 | 403 => Kind::Denied,
            400 => Kind::Usage,
            404 | 405 | 410 => Kind::NotFound,
            _ => Kind::Failed,
        };
        let words = fields.get("data").cloned().unwrap_or_else(|| answer.words());
        Err(Failure::new(kind, format!("{} answered {words}", self.server)))
    }

    async fn loads(&self) -> Result<Vec<NodeLoad>, Failure> {
        let fields = self.ask(Question::get, "loader/cluster").await?;
        let node = |index: usize| {
            let field = |name: &str| format!("data.detail[{index}].{name}");
            let address = fields.0.get(&field("address"))?.clone();
            Some(NodeLoad { address, sdk: fields.count(&field("sdkConCount")), all: fields.count(&field("conCount")) })
        };
        Ok((0..).map_while(node).collect())
    }
}

struct Fields(BTreeMap<String, String>);

impl Fields {
    fn count(&self, name: &str) -> u64 {
        self.0.get(name).and_then(|count| count.parse().ok()).unwrap_or(0)
    }
}

struct NodeLoad {
    address: String,
    sdk: u64,
    all: u64,
}

async fn load(args: &LoadArgs) -> Result<(), Failure> {
    let loads = Operator::at(&args.connection).await?.loads().await?;
    let whole = |count: u64| Value::Whole(i64::try_from(count).unwrap_or(i64::MAX));
    let row = |node: NodeLoad| vec![node.address.into(), whole(node.sdk), whole(node.all)];
    output::rows(args.output.output, &["server", "clients", "connections"], loads.into_iter().map(row).collect())
}

async fn balance(args: &BalanceArgs) -> Result<(), Failure> {
    let operator = Operator::at(&args.connection).await?;
    let tolerance = args.tolerance.to_string();
    operator.ask(|path| Question::post(path).form("loaderFactor", &tolerance), "loader/smartReloadCluster").await?;
    let watched = async {
        loop {
            let loads = operator.loads().await?;
            let counts: Vec<String> = loads.iter().map(|node| format!("{} {}", node.address, node.sdk)).collect();
            progress(&counts.join(", "));
            if is_even(&loads) {
                return Ok::<_, Failure>(counts);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(args.wait), watched).await;
    progress("");
    match ended {
        Ok(counts) => output::print(&format!("clients are even: {}\n", counts?.join(", "))),
        Err(_) => Err(Failure::new(Kind::Failed, format!("not even after {} s; the servers go on", args.wait))),
    }
}

fn is_even(loads: &[NodeLoad]) -> bool {
    let mean = loads.iter().map(|node| node.sdk).sum::<u64>() / (loads.len() as u64).max(1);
    let slack = (mean * EVEN_WITHIN_PERCENT / 100).max(1);
    loads.iter().all(|node| node.sdk.abs_diff(mean) <= slack)
}

async fn drain(args: &DrainArgs) -> Result<(), Failure> {
    let operator = Operator::at(&args.connection).await?;
    if args.cancel {
        operator.ask(Question::delete, "drain").await?;
        return output::print(&format!("{} takes clients again\n", operator.server));
    }
    let within_ms = (args.within * 1000).to_string();
    operator.ask(|path| Question::post(path).form("withinMs", &within_ms), "drain").await?;
    let watched = async {
        loop {
            let fields = operator.ask(Question::get, "drain").await?;
            let count = |name: &str| fields.count(&format!("data.{name}"));
            let (before, left, stayed) = (count("clientsBefore"), count("clients"), count("stayed"));
            progress(&format!("{} of {before} clients have gone", before.saturating_sub(left)));
            if fields.0.get("data.state").is_some_and(|state| state != "draining") {
                return Err(Failure::new(Kind::Failed, "it was taken back by somebody else"));
            }
            if left == 0 || left == stayed {
                return Ok((before, left));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(args.within), watched).await;
    progress("");
    match ended {
        Ok(Ok((before, 0))) => output::print(&format!("all {before} clients have gone\n")),
        Ok(Ok((_, left))) => {
            Err(Failure::new(Kind::Failed, format!("{left} clients stay, though they were told to go")))
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(Failure::new(Kind::Failed, format!("some clients are still there after {} s", args.within))),
    }
}

/// Replaces the line that says how far it is; nothing removes it. Only on a terminal.
fn progress(line: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        // Nobody is harmed if it is not seen.
        write!(err, "\r\x1b[K{}", output::harmless(line)).and_then(|()| err.flush()).ok();
    }
}
