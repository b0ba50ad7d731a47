//! `nacrite config publish`: from a file, from standard input, or from the command line.

use std::io::{IsTerminal, Read};

use clap::Args;
use nacrite_client::config::{ConfigType, ContentDigest};

use super::Named;
use crate::cli::connect::Connection;
use crate::cli::errand;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Form, OutputArgs, Value};

pub(super) const HELP: &str = "\
Examples:
  nacrite config publish app.yaml @app.yaml
  nacrite config publish greeting 'hello'
  generate | nacrite config publish app.json --group SHOP
  nacrite config publish app.yaml @app.yaml --cas \"$(nacrite config get app.yaml -o json | jq -r .digest)\"

Prints the digest of what is stored now. With --cas nothing is published, and the exit code is 1, if somebody else has
changed the config since the digest was read.";

/// A config to publish.
#[derive(Args, Debug)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    named: Named,
    /// The content: @FILE for that of a file, - for standard input, else the text itself [default: -]
    content: Option<String>,
    /// Format: text, json, xml, yaml, html, properties, toml [default: by the end of the data id]
    #[arg(long = "type", value_name = "TYPE")]
    config_type: Option<ConfigType>,
    /// Publish only if the stored content has this digest
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    cas: Option<ContentDigest>,
    /// What the config is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Program that owns the config
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Tags to search by, with commas between
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    tags: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub(super) connection: Connection,
}

pub(super) async fn publish(args: PublishArgs) -> Result<(), Failure> {
    let content = content(args.content.as_deref())?;
    let name = args.named.name();
    let stored = errand::with_client(args.connection.client()?, async |client| {
        let mut publish = client.config().publish(&name, content);
        if let Some(config_type) = args.config_type {
            publish = publish.config_type(config_type);
        }
        if let Some(digest) = &args.cas {
            publish = publish.only_if(digest);
        }
        if let Some(description) = &args.description {
            publish = publish.description(description.as_str());
        }
        if let Some(app) = &args.app {
            publish = publish.app_name(app.as_str());
        }
        if !args.tags.is_empty() {
            publish = publish.tags(&args.tags);
        }
        Ok(errand::patiently("publishing", client, publish.send()).await?)
    });
    let digest = stored.await?;
    match args.output.output {
        Form::Table => output::print(&format!("{digest}\n")),
        form => {
            let group = ("group", name.group().into());
            let data_id = ("dataId", name.data_id().into());
            output::value(form, &Value::map([group, data_id, ("digest", digest.as_str().into())]))
        }
    }
}

/// The content, from where it was said to be.
fn content(said: Option<&str>) -> Result<String, Failure> {
    match said {
        Some("-") => from_input(),
        None if std::io::stdin().is_terminal() => {
            Err(Failure::usage("there is no content: give @FILE or a text, or write it to standard input"))
        }
        None => from_input(),
        Some(said) => match said.strip_prefix('@') {
            Some(path) => from_file(path),
            None => Ok(said.to_owned()),
        },
    }
}

/// A whole file.
///
/// # Errors
/// It cannot be read, or is no text.
pub(super) fn from_file(path: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(&format!("the file {path} cannot be read"), &error))
}

fn from_input() -> Result<String, Failure> {
    let mut content = String::new();
    let read = std::io::stdin().lock().read_to_string(&mut content);
    read.map_err(|error| Failure::file("standard input cannot be read", &error))?;
    Ok(content)
}

/// Digests are compared by exact text, so one that can match nothing is refused here.
fn digest(text: &str) -> Result<ContentDigest, String> {
    let is_digest = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_digest {
        Ok(ContentDigest::from_stored(text))
    } else {
        Err("expected the digest that `nacrite config get -o json` shows: 32 digits and letters from a to f".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_a_text_or_in_a_file() {
        assert!(content(Some("hello")).is_ok_and(|content| content == "hello"));
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "a: 1\n").expect("written");
        let said = format!("@{}", file.path().display());
        assert!(content(Some(&said)).is_ok_and(|content| content == "a: 1\n"));
        assert!(content(Some("@/no/such/file")).is_err());
    }

    #[test]
    fn what_can_match_nothing_is_no_digest() {
        assert!(digest("d41d8cd98f00b204e9800998ecf8427e").is_ok());
        for bad in ["", "D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427"] {
            assert!(digest(bad).is_err(), "{bad}");
        }
    }
}
