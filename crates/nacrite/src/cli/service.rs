//! `nacrite service`: which services there are, who serves them, and taking part.

mod hold;
mod pushes;
mod shown;
mod watch;

use clap::{Args, Subcommand};
use nacrite_client::naming::{Instance, InstanceBuilder, Selector, Service};

use super::connect::Connection;
use super::errand;
use super::failure::{self, Failure, Kind};
use super::output::{self, OutputArgs, Value};

/// The group if none is given.
const DEFAULT_GROUP: &str = "DEFAULT_GROUP";

/// What to do with services.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// List the services of a group
    #[command(after_help = failure::help(LS_HELP))]
    Ls(LsArgs),
    /// Show the instances of a service
    #[command(after_help = failure::help(GET_HELP))]
    Get(GetArgs),
    /// Show the instances of a service, and every change until Ctrl-C
    #[command(after_help = failure::help(WATCH_HELP))]
    Watch(GetArgs),
    /// Show whom the newest list of a service reached, and who is late
    #[command(after_help = failure::help(PUSHES_HELP))]
    Pushes(PushesArgs),
    /// Register an instance, and hold it until Ctrl-C
    #[command(after_help = failure::help(REGISTER_HELP))]
    Register(RegisterArgs),
    /// Take back a persistent instance
    #[command(after_help = failure::help(DEREGISTER_HELP))]
    Deregister(DeregisterArgs),
}

const LS_HELP: &str = "\
Examples:
  nacrite service ls
  nacrite service ls --group SHOP -o json
  nacrite service ls -s registry:8848 -n staging

Every server from 1.0 on can do this. Names are in alphabetical order.";
const GET_HELP: &str = "\
Examples:
  nacrite service get orders
  nacrite service get orders --group SHOP --cluster blue --healthy -o json

If nobody is registered the list is empty, and the exit code is 3: servers do not tell a service without instances from
one that does not exist.";
const WATCH_HELP: &str = "\
Examples:
  nacrite service watch orders
  nacrite service watch orders -o json | while read -r change; do ...; done

Lines begin with + for instances that came, - for those that went, ~ for those that changed. As JSON each change is one
line, as YAML one document. What becomes of the connection is told on standard error.";
const PUSHES_HELP: &str = "\
Examples:
  nacrite service pushes orders
  nacrite service pushes orders --group SHOP -o json

Reached is who acknowledged the newest list, or was given it in the answer to a subscription. Only Nacrite keeps account
of its pushes.";
const REGISTER_HELP: &str = "\
Examples:
  nacrite service register orders 10.0.0.1:8080
  nacrite service register orders 10.0.0.1:8080 --weight 2 --meta zone=a --meta version=7
  nacrite service register database db.internal:5432 --persistent

An instance goes when its connection goes. It is registered again on every new connection, and deregistered by Ctrl-C.
What becomes of it is told on standard error. A persistent one is registered, and the command returns.";
const DEREGISTER_HELP: &str = "\
Examples:
  nacrite service deregister database db.internal:5432

An instance that is not persistent goes with the program that registered it; nobody else can take it back.";

/// Which services.
#[derive(Args, Debug)]
pub(crate) struct LsArgs {
    /// Group of the services
    #[arg(long, short = 'g', value_name = "GROUP", default_value = DEFAULT_GROUP)]
    group: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Which instances.
#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// Name of the service
    service: String,
    /// Group of the service
    #[arg(long, short = 'g', value_name = "GROUP", default_value = DEFAULT_GROUP)]
    group: String,
    /// Instances of this cluster alone; may be repeated
    #[arg(long = "cluster", value_name = "CLUSTER")]
    clusters: Vec<String>,
    /// Healthy instances alone
    #[arg(long)]
    healthy: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Whose pushes.
#[derive(Args, Debug)]
pub(crate) struct PushesArgs {
    /// Name of the service
    service: String,
    /// Group of the service
    #[arg(long, short = 'g', value_name = "GROUP", default_value = DEFAULT_GROUP)]
    group: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

/// An instance.
#[derive(Args, Debug)]
pub(crate) struct RegisterArgs {
    /// Name of the service
    service: String,
    /// Where the instance is: host:port, with brackets round an IPv6 address
    address: InstanceAddress,
    /// Group of the service
    #[arg(long, short = 'g', value_name = "GROUP", default_value = DEFAULT_GROUP)]
    group: String,
    /// Cluster inside the service [default: DEFAULT]
    #[arg(long, value_name = "CLUSTER")]
    cluster: Option<String>,
    /// Share of the traffic, from 0 to 10000
    #[arg(long, value_name = "WEIGHT", default_value_t = 1.0)]
    weight: f64,
    /// A text about the instance; may be repeated
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// Register it as one that gets no traffic
    #[arg(long)]
    disabled: bool,
    /// Register it as one that does not work
    #[arg(long)]
    unhealthy: bool,
    /// It stays until it is deregistered, whoever goes or comes
    #[arg(long)]
    persistent: bool,
    /// If no server is reached at first, go on trying rather than end
    #[arg(long, conflicts_with = "persistent")]
    keep_trying: bool,
    #[command(flatten)]
    connection: Connection,
}

/// An instance that is to go.
#[derive(Args, Debug)]
pub(crate) struct DeregisterArgs {
    /// Name of the service
    service: String,
    /// Where the instance is: host:port, with brackets round an IPv6 address
    address: InstanceAddress,
    /// Group of the service
    #[arg(long, short = 'g', value_name = "GROUP", default_value = DEFAULT_GROUP)]
    group: String,
    /// Cluster inside the service [default: DEFAULT]
    #[arg(long, value_name = "CLUSTER")]
    cluster: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Does it.
///
/// # Errors
/// Why it was not done.
pub(crate) fn run(command: ServiceCommand) -> Result<(), Failure> {
    match command {
        ServiceCommand::Ls(args) => errand::to_end(args.connection.access.verbosity(), ls(args)),
        ServiceCommand::Get(args) => errand::to_end(args.connection.access.verbosity(), get(args)),
        ServiceCommand::Watch(args) => errand::to_end(args.connection.access.verbosity(), watch::watch(args)),
        ServiceCommand::Pushes(args) => errand::to_end(args.connection.access.verbosity(), pushes::pushes(args)),
        ServiceCommand::Register(args) => errand::to_end(args.connection.access.verbosity(), hold::register(args)),
        ServiceCommand::Deregister(args) => errand::to_end(args.connection.access.verbosity(), deregister(args)),
    }
}

async fn ls(args: LsArgs) -> Result<(), Failure> {
    let names = errand::with_client(args.connection.client()?, async |client| {
        let asked = client.naming().all_services(&args.group);
        Ok(errand::patiently("asking for services", client, asked).await?)
    });
    let group = Value::Text(args.group.clone());
    let rows = names.await?.into_iter().map(|name| vec![group.clone(), name.into()]);
    output::rows(args.output.output, &["group", "service"], rows.collect())
}

async fn get(args: GetArgs) -> Result<(), Failure> {
    let service = Service::new(&args.service).in_group(&args.group);
    let list = errand::with_client(args.connection.client()?, async |client| {
        let asked = client.naming().query(service);
        Ok(errand::patiently("asking for instances", client, asked).await?)
    });
    let list = list.await?;
    let selector = selector(&args);
    let wanted = list.iter().filter(|instance| selector.wants(instance)).map(|instance| &**instance).collect();
    output::rows(args.output.output, shown::COLUMNS, shown::rows(wanted))?;
    if list.is_empty() {
        return Err(Failure::not_found(format!("nobody is registered for {service}")));
    }
    Ok(())
}

async fn deregister(args: DeregisterArgs) -> Result<(), Failure> {
    let service = Service::new(&args.service).in_group(&args.group);
    let instance = described(&args.address, args.cluster.as_deref()).persistent().build()?;
    errand::with_client(args.connection.client()?, async |client| {
        let naming = client.naming();
        let known = errand::patiently("asking for instances", client, naming.query(service)).await?;
        let is_it = |known: &Instance| {
            known.ip() == instance.ip() && known.port() == instance.port() && known.cluster() == instance.cluster()
        };
        let Some(known) = known.iter().find(|known| is_it(known)) else {
            return Err(Failure::not_found(format!("{instance} is not registered for {service}")));
        };
        if known.is_ephemeral() {
            return Err(Failure::new(
                Kind::Failed,
                format!("{instance} is not persistent: it goes with the program that registered it"),
            ));
        }
        Ok(errand::patiently("deregistering", client, naming.deregister(service, &instance)).await?)
    })
    .await?;
    errand::note(&format!("{instance} is deregistered from {service}"));
    Ok(())
}

fn selector(args: &GetArgs) -> Selector {
    let selector = Selector::default().clusters(args.clusters.iter().cloned());
    if args.healthy { selector.healthy() } else { selector }
}

fn described(address: &InstanceAddress, cluster: Option<&str>) -> InstanceBuilder {
    let builder = Instance::builder(address.host.as_str(), address.port);
    match cluster {
        Some(cluster) => builder.cluster(cluster),
        None => builder,
    }
}

/// Host and port of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InstanceAddress {
    host: String,
    port: u16,
}

impl std::str::FromStr for InstanceAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected host:port".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().map_err(|_| "the port is no number from 0 to 65535".to_owned())?;
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.strip_suffix(']').ok_or_else(expected)?,
            None if host.contains(':') => return Err("an IPv6 address stands in brackets: [::1]:80".to_owned()),
            None => host,
        };
        if host.is_empty() { Err(expected()) } else { Ok(Self { host: host.to_owned(), port }) }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_instances_have_a_host_and_a_port() {
        let read = |text: &str| text.parse::<InstanceAddress>().map(|a| format!("{} {}", a.host, a.port));
        assert_eq!(read("10.0.0.1:80").as_deref(), Ok("10.0.0.1 80"));
        assert_eq!(read("[::1]:80").as_deref(), Ok("::1 80"));
        for bad in ["", "host", ":80", "host:x", "::1:80", "[::1:80", "host:70000"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
