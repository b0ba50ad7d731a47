//! `nacrite config diff`: key by key where both sides are of one known format, else line by line.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use nacrite_client::Client;
use nacrite_client::config::{ConfigName, Format, KeyChange, diff as by_key};

use super::{DEFAULT_GROUP, lines, missing, publish};
use crate::cli::connect::Connection;
use crate::cli::errand;
use crate::cli::failure::{Failure, Kind};
use crate::cli::output::{self, Form, OutputArgs, Paint, Value, harmless};

pub(super) const HELP: &str = "\
Examples:
  nacrite config diff app.yaml app-next.yaml
  nacrite config diff app.yaml @app.yaml               what publishing the file would change
  nacrite config diff app.yaml @app.yaml --exit-code   exit code 1 if they differ
  nacrite config diff app.yaml SHOP@@app.yaml          of different groups

Lines begin with + for what the second side has alone, - for what the first one has alone, ~ for values that differ.";

/// By what the sides are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Properties,
    Yaml,
    Json,
    Toml,
    Lines,
}

/// What to compare.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// A data id, GROUP@@DATA_ID, or @FILE
    first: String,
    /// A data id, GROUP@@DATA_ID, or @FILE
    second: String,
    /// Group of data ids that name none
    #[arg(long, short = 'g', value_name = "GROUP", default_value = DEFAULT_GROUP)]
    group: String,
    /// Format of both sides [default: the declared one, or by the end of the name]
    #[arg(long, value_enum, value_name = "FORMAT")]
    by: Option<By>,
    /// End with exit code 1 if they differ
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// One of the two.
struct Side {
    content: String,
    /// `None` if it is of no format that has keys.
    format: Option<Format>,
}

pub(super) async fn diff(args: DiffArgs) -> Result<(), Failure> {
    let (first, second) = errand::with_client(args.connection.client()?, async |client| {
        Ok((side(client, &args.first, &args.group).await?, side(client, &args.second, &args.group).await?))
    })
    .await?;
    let format = format(args.by, &first, &second);
    let unfit = format.and_then(|format| unfit([(&args.first, &first), (&args.second, &second)], format));
    let format = match unfit {
        // Whoever names a format wants to know that it is not that.
        Some(unfit) if args.by.is_some() => return Err(Failure::new(Kind::Failed, unfit)),
        Some(unfit) => {
            errand::note(&format!("comparing lines: {unfit}"));
            None
        }
        None => format,
    };
    let changes = format.and_then(|format| by_key(format, Some(&first.content), Some(&second.content)).ok());
    let differs = match changes {
        Some(changes) => show_keys(&changes, args.output.output)?,
        None => show_lines(&first, &second, args.output.output)?,
    };
    if differs && args.exit_code { Err(Failure::new(Kind::Failed, "")) } else { Ok(()) }
}

/// Why one of the sides cannot be read as this format.
fn unfit(sides: [(&String, &Side); 2], format: Format) -> Option<String> {
    sides.into_iter().find_map(|(said, side)| {
        let unfit = by_key(format, None, Some(&side.content)).err()?;
        Some(format!("{said} cannot be read as {}: {unfit}", name_of(format)))
    })
}

fn name_of(format: Format) -> &'static str {
    match format {
        Format::Json => "JSON",
        Format::Yaml => "YAML",
        Format::Toml => "TOML",
        _ => "properties",
    }
}

async fn side(client: &Client, said: &str, group: &str) -> Result<Side, Failure> {
    if let Some(path) = said.strip_prefix('@') {
        return Ok(Side { content: publish::from_file(path)?, format: by_ending(path) });
    }
    let (group, data_id) = said.split_once("@@").unwrap_or((group, said));
    let name = ConfigName::from((data_id, group));
    let asked = client.config().get(&name);
    let config = errand::patiently("asking for the configs", client, asked).await?.ok_or_else(|| missing(&name))?;
    let format = Format::of(&name, &config).ok().map(|format| match format {
        // Two versions are compared by the keys that stand in them.
        Format::Properties => Format::FlatProperties,
        other => other,
    });
    Ok(Side { content: config.content.to_string(), format })
}

fn by_ending(name: &str) -> Option<Format> {
    match name.rsplit_once('.')?.1 {
        "json" => Some(Format::Json),
        "yaml" | "yml" => Some(Format::Yaml),
        "toml" => Some(Format::Toml),
        "properties" => Some(Format::FlatProperties),
        _ => None,
    }
}

/// The format that both sides have; a side of none takes that of the other.
fn format(by: Option<By>, first: &Side, second: &Side) -> Option<Format> {
    match by {
        Some(By::Lines) => None,
        Some(By::Properties) => Some(Format::FlatProperties),
        Some(By::Yaml) => Some(Format::Yaml),
        Some(By::Json) => Some(Format::Json),
        Some(By::Toml) => Some(Format::Toml),
        None => match (first.format, second.format) {
            (Some(first), Some(second)) if first != second => None,
            (first, second) => first.or(second),
        },
    }
}

/// Returns whether there was anything to show.
fn show_keys(changes: &BTreeMap<String, KeyChange>, form: Form) -> Result<bool, Failure> {
    if form == Form::Table {
        let paint = Paint::for_output();
        let text: String = changes
            .iter()
            .map(|(key, change)| {
                let key = harmless(key);
                let line = match change {
                    KeyChange::Added(new) => paint.green(&format!("+ {key} = {}", harmless(new))),
                    KeyChange::Removed(old) => paint.red(&format!("- {key} = {}", harmless(old))),
                    KeyChange::Changed { old, new } => {
                        paint.yellow(&format!("~ {key} = {} -> {}", harmless(old), harmless(new)))
                    }
                };
                line + "\n"
            })
            .collect();
        output::print(&text)?;
    } else {
        let rows = changes.iter().map(|(key, change)| {
            let (kind, old, new) = match change {
                KeyChange::Added(new) => ("added", None, Some(new)),
                KeyChange::Removed(old) => ("removed", Some(old), None),
                KeyChange::Changed { old, new } => ("changed", Some(old), Some(new)),
            };
            vec![key.as_str().into(), kind.into(), Value::text(old), Value::text(new)]
        });
        output::rows(form, &["key", "change", "old", "new"], rows.collect())?;
    }
    Ok(!changes.is_empty())
}

/// Returns whether there was anything to show.
fn show_lines(first: &Side, second: &Side, form: Form) -> Result<bool, Failure> {
    let changes = lines::compare(&first.content, &second.content);
    if form == Form::Table {
        let paint = Paint::for_output();
        let text: String = changes
            .iter()
            .map(|line| {
                let shown = format!("{} {}: {}", line.sign(), line.number, harmless(line.text));
                if line.is_added { paint.green(&shown) } else { paint.red(&shown) }
            })
            .map(|line| line + "\n")
            .collect();
        output::print(&text)?;
    } else {
        let rows = changes.iter().map(|line| {
            let kind = if line.is_added { "added" } else { "removed" };
            let number = Value::Whole(i64::try_from(line.number).unwrap_or(i64::MAX));
            vec![number, kind.into(), line.text.into()]
        });
        output::rows(form, &["line", "change", "text"], rows.collect())?;
    }
    Ok(!changes.is_empty())
}
