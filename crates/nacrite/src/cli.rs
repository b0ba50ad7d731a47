//! What can be said on the command line.
//!
//! Commands that speak with a server, as operators and scripts use them, are in one file per noun below.

mod completions;
mod config;
mod connect;
mod doctor;
mod errand;
mod failure;
mod http;
mod node;
mod output;
mod service;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::settings::Sources;

pub(crate) use self::failure::Failure;

/// A service registry and configuration centre that every Nacos client speaks to.
#[derive(Debug, Parser)]
#[command(name = "nacrite", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[expect(clippy::large_enum_variant, reason = "there is one, and it is taken apart at once")]
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server until Ctrl-C or SIGTERM.
    Server(ServerArgs),
    /// List every setting: name, default, range, meaning, and what Nacos calls it.
    Settings,
    #[command(flatten)]
    Client(ClientCommand),
}

/// What to do at a server that runs.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// List, watch and register instances of services, at any server that speaks Nacos.
    #[command(subcommand, after_help = failure::EXIT_CODES)]
    Service(service::ServiceCommand),
    /// List, read, publish, watch, compare and remove configs, at any server that speaks Nacos.
    #[command(subcommand, after_help = failure::EXIT_CODES)]
    Config(config::ConfigCommand),
    /// See how clients are spread over servers, even them out, take a server out of service.
    #[command(subcommand, after_help = failure::EXIT_CODES)]
    Node(node::NodeCommand),
    /// Find out why a server cannot be reached.
    #[command(after_help = failure::help(doctor::HELP))]
    Doctor(doctor::DoctorArgs),
    /// Print what a shell needs to complete commands.
    #[command(after_help = completions::HELP)]
    Completions(completions::CompletionsArgs),
}

/// Runs a command that is not about running a server.
///
/// # Errors
/// Why it was not done, and the exit code.
pub(crate) fn run(command: ClientCommand) -> Result<(), Failure> {
    match command {
        ClientCommand::Service(command) => service::run(command),
        ClientCommand::Config(command) => config::run(command),
        ClientCommand::Node(command) => node::run(command),
        ClientCommand::Doctor(args) => doctor::run(args),
        ClientCommand::Completions(args) => completions::run(&args),
    }
}

/// How to run a server.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nacrite server                                          on loopback, ports 8848 and 9848, data in ./nacrite-data
  nacrite server --data-dir /var/lib/nacrite --http-port 8840
  nacrite server --port-offset 10 --data-dir second       a second server beside the first
  nacrite server --config nacrite.toml --set push.settle_ms=50
  nacrite server --config conf/application.properties     with the settings file of a Nacos
  NACRITE_LOG=debug nacrite server                        every setting has an environment variable

A flag wins over the environment, the environment over the file. `nacrite settings` lists everything.")]
pub(crate) struct ServerArgs {
    /// Settings file: .toml, or .properties as Nacos has it
    #[arg(long, value_name = "FILE", env = "NACRITE_CONFIG")]
    config: Option<PathBuf>,
    /// Directory of everything that must survive [default: nacrite-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Port for HTTP; gRPC follows at +1000 and +1001 [default: 8848]
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Added to every port, for several servers on one machine [default: 0]
    #[arg(long, value_name = "N")]
    port_offset: Option<u16>,
    /// Serve everybody who reaches the address, without access control
    #[arg(long)]
    insecure: bool,
    /// What is logged: error, warn, info, debug, trace, or by part [default: info]
    #[arg(long, value_name = "LEVELS")]
    log: Option<String>,
    /// Any other setting; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl ServerArgs {
    /// Where the settings of the server come from.
    ///
    /// # Errors
    /// `--set` without `=`.
    pub(crate) fn sources(self) -> anyhow::Result<Sources> {
        let mut flags = Vec::new();
        for pair in self.set {
            let (name, text) =
                pair.split_once('=').ok_or_else(|| anyhow::anyhow!("--set {pair}: expected NAME=VALUE"))?;
            flags.push((name.trim().to_owned(), text.to_owned()));
        }
        let mut flag = |name: &str, value: Option<String>| flags.extend(value.map(|value| (name.to_owned(), value)));
        flag("data_dir", self.data_dir.map(|dir| dir.display().to_string()));
        flag("bind", self.bind.map(|address| address.to_string()));
        flag("http_port", self.http_port.map(|port| port.to_string()));
        flag("port_offset", self.port_offset.map(|offset| offset.to_string()));
        flag("insecure", self.insecure.then(|| "true".to_owned()));
        flag("log", self.log);
        // Variables that are no text cannot be settings of ours.
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Ok(Sources { file: self.config, environment: environment.collect(), flags })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
