//! `nacrite config`: which configs there are, what is in them, and changing them.

mod compare;
mod lines;
mod list;
mod publish;
mod watch;

use clap::{Args, Subcommand};
use nacrite_client::config::{Config, ConfigName};

use super::connect::Connection;
use super::errand;
use super::failure::{self, Failure};
use super::output::{self, Form, OutputArgs, Value};

/// The group if none is given.
const DEFAULT_GROUP: &str = "DEFAULT_GROUP";

/// What to do with configs.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List configs by group and data id
    #[command(after_help = failure::help(LS_HELP))]
    Ls(LsArgs),
    /// Print the content of a config
    #[command(after_help = failure::help(GET_HELP))]
    Get(GetArgs),
    /// Publish a config from a file, from standard input, or from the command line
    #[command(after_help = failure::help(publish::HELP))]
    Publish(publish::PublishArgs),
    /// Print a config, and every new version until Ctrl-C
    #[command(after_help = failure::help(watch::HELP))]
    Watch(watch::WatchArgs),
    /// Compare two configs, or a config and a file: key by key where the format is known, else line by line
    #[command(after_help = failure::help(compare::HELP))]
    Diff(compare::DiffArgs),
    /// Remove a config
    #[command(after_help = failure::help(RM_HELP))]
    Rm(RmArgs),
}

const LS_HELP: &str = "\
Examples:
  nacrite config ls
  nacrite config ls 'orders*' --group SHOP
  nacrite config ls -n staging -o json

The list is asked for over HTTP: a server of 3.0 or later is asked for /v3/admin/cs/config/list, an older one for
/v1/cs/configs?search=blur, which sends the contents along. With access control on, both need the right to read configs,
the first one that of an administrator. Where HTTP does not get through, the names are watched over gRPC, which Nacos from 3.0
on can do.";
const GET_HELP: &str = "\
Examples:
  nacrite config get app.yaml
  nacrite config get app.yaml --group SHOP > app.yaml
  nacrite config get app.yaml -o json        with digest, type and time

The content is printed as it is, without a line break at its end that is not its own.";
const RM_HELP: &str = "\
Examples:
  nacrite config rm app.yaml --group SHOP";

/// Which configs.
#[derive(Args, Debug)]
pub(crate) struct LsArgs {
    /// Data ids to list; * stands for anything
    #[arg(default_value = "*")]
    pattern: String,
    /// Groups to list; * stands for anything
    #[arg(long, short = 'g', value_name = "GROUP", default_value = "*")]
    group: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Which config.
#[derive(Args, Debug)]
struct Named {
    /// Name of the config inside its group
    data_id: String,
    /// Group of the config
    #[arg(long, short = 'g', value_name = "GROUP", default_value = DEFAULT_GROUP)]
    group: String,
}

impl Named {
    fn name(&self) -> ConfigName {
        ConfigName::from((self.data_id.as_str(), self.group.as_str()))
    }

    fn missing(&self) -> Failure {
        missing(&self.name())
    }
}

/// A config to print.
#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

/// A config to remove.
#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    connection: Connection,
}

/// Does it.
///
/// # Errors
/// Why it was not done.
pub(crate) fn run(command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Ls(args) => errand::to_end(args.connection.access.verbosity(), ls(args)),
        ConfigCommand::Get(args) => errand::to_end(args.connection.access.verbosity(), get(args)),
        ConfigCommand::Publish(args) => errand::to_end(args.connection.access.verbosity(), publish::publish(args)),
        ConfigCommand::Watch(args) => errand::to_end(args.connection.access.verbosity(), watch::watch(args)),
        ConfigCommand::Diff(args) => errand::to_end(args.connection.access.verbosity(), compare::diff(args)),
        ConfigCommand::Rm(args) => errand::to_end(args.connection.access.verbosity(), remove(args)),
    }
}

async fn ls(args: LsArgs) -> Result<(), Failure> {
    let found = errand::with_client(args.connection.client()?, async |client| {
        let asked = list::all(client, args.connection.access.within(), &args.group, &args.pattern);
        errand::patiently("asking for configs", client, asked).await
    });
    let found = found.await?;
    let rows = found.iter().map(|name| vec![name.group().into(), name.data_id().into()]);
    output::rows(args.output.output, &["group", "dataId"], rows.collect())
}

async fn get(args: GetArgs) -> Result<(), Failure> {
    let name = args.named.name();
    let config = errand::with_client(args.connection.client()?, async |client| {
        let asked = client.config().get(&name);
        Ok(errand::patiently("asking for the config", client, asked).await?)
    });
    let config = config.await?.ok_or_else(|| args.named.missing())?;
    match args.output.output {
        Form::Table => output::print(&config.content),
        form => output::value(form, &fields(&name, &config)),
    }
}

async fn remove(args: RmArgs) -> Result<(), Failure> {
    let name = args.named.name();
    errand::with_client(args.connection.client()?, async |client| {
        let configs = client.config();
        // Servers answer alike whether there was one; who mistyped a name wants to know.
        if errand::patiently("asking for the config", client, configs.get(&name)).await?.is_none() {
            return Err(args.named.missing());
        }
        Ok(errand::patiently("removing the config", client, configs.remove(&name)).await?)
    })
    .await?;
    errand::note(&format!("{} of the group {} is removed", name.data_id(), name.group()));
    Ok(())
}

fn missing(name: &ConfigName) -> Failure {
    Failure::not_found(format!("there is no config {} in the group {}", name.data_id(), name.group()))
}

/// Everything about a config.
fn fields(name: &ConfigName, config: &Config) -> Value {
    Value::map([
        ("group", name.group().into()),
        ("dataId", name.data_id().into()),
        ("type", config.config_type.as_str().into()),
        ("digest", config.digest.as_str().into()),
        ("lastModified", config.last_modified.map_or(Value::Null, whole_ms)),
        ("content", (&*config.content).into()),
    ])
}

fn whole_ms(at: nacrite_client::config::Timestamp) -> Value {
    Value::Whole(i64::try_from(at.as_ms()).unwrap_or(i64::MAX))
}
