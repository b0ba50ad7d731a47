//! `nacrite config watch`: a config as it is, then every new version, until Ctrl-C.

use clap::Args;
use nacrite_client::config::{Config, ConfigName, Listening};

use super::{Named, fields};
use crate::cli::connect::Connection;
use crate::cli::errand::{self, LinkNews};
use crate::cli::failure::{Failure, Kind};
use crate::cli::output::{self, Form, OutputArgs, Paint, Value};

pub(super) const HELP: &str = "\
Examples:
  nacrite config watch app.yaml
  nacrite config watch app.yaml -o json | while read -r version; do ...; done

Each version is printed below a line with its digest. As JSON each is one line, as YAML one document; a config that was
removed has null for its content. What becomes of the connection is told on standard error.";

/// A config to watch.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub(super) connection: Connection,
}

pub(super) async fn watch(args: WatchArgs) -> Result<(), Failure> {
    // Asked for first, so that an early Ctrl-C ends in order too.
    let mut stop = errand::stop_signals()?;
    let (name, form) = (args.named.name(), args.output.output);
    errand::with_client(args.connection.client()?, async |client| {
        let configs = client.config();
        let news = LinkNews::of(client.state().config);
        let following = async {
            let read = errand::patiently("asking for the config", client, configs.get_and_listen(&name));
            let (first, listening) = read.await?;
            show(&name, first.as_ref(), form)?;
            follow(listening, news, form).await
        };
        tokio::select! {
            _ = stop.received() => Ok(()),
            ended = following => ended,
        }
    })
    .await
}

/// Prints versions until the client ends.
async fn follow(mut listening: Listening, mut news: LinkNews, form: Form) -> Result<(), Failure> {
    let name = listening.name().clone();
    loop {
        tokio::select! {
            config = listening.changed() => {
                let config = config.map_err(|error| Failure::new(Kind::Failed, error.to_string()))?;
                show(&name, config.as_ref(), form)?;
            }
            told = news.next() => errand::note(&told),
        }
    }
}

fn show(name: &ConfigName, config: Option<&Config>, form: Form) -> Result<(), Failure> {
    if form != Form::Table {
        let absent = || {
            Value::map([("group", name.group().into()), ("dataId", name.data_id().into()), ("content", Value::Null)])
        };
        return output::event(form, &config.map_or_else(absent, |config| fields(name, config)));
    }
    let paint = Paint::for_output();
    let title = format!("{} of the group {}", name.data_id(), name.group());
    let Some(config) = config else {
        return output::print(&format!("{}\n", paint.red(&format!("--- {title}: there is none"))));
    };
    let heading = paint.green(&format!("--- {title}: {} {}", config.config_type, config.digest));
    let end = if config.content.ends_with('\n') { "" } else { "\n" };
    output::print(&format!("{heading}\n{}{end}", config.content))
}
