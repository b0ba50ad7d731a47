//! A service in Rust beside those of another framework: registers itself, is called by them and calls them, by name.
//!
//! It is told what to do in lines on its standard input and answers each with a line, so that a story in any language can
//! be told with it; `ready` is said without being asked. The end of the input makes it leave in order.
//!
//! | Line | Answer |
//! |---|---|
//! | `call SERVICE COUNT` | `answered NAME=COUNT …`, or `failed` and why |
//! | `begin SERVICE` | `begun`: calls go on all the time |
//! | `end` | what became of them, as for `call` |

#![expect(clippy::print_stdout, reason = "it answers whoever started it")]

mod calls;

use anyhow::{Context, bail};
use axum::Router;
use axum::routing::get;
use clap::Parser;
use nacrite_client::Client;
use nacrite_client::register::{RegisterSettings, Registrar};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::net::TcpListener;

use crate::calls::{Caller, Ongoing};

/// A service in Rust beside those of another framework
#[derive(Parser)]
struct Cli {
    /// Registry, HOST:PORT
    #[arg(long)]
    server: String,
    /// Name of the service
    #[arg(long)]
    service: String,
    /// How this instance signs its answers
    #[arg(long)]
    name: String,
    /// Its share of the calls
    #[arg(long, default_value_t = 1.0)]
    weight: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { server, service, name, weight } = Cli::parse();
    let client = Client::builder().servers(server).build()?;
    let caller = Caller::new(&client);
    let registrar = Registrar::with_client(&client, RegisterSettings::new(service).weight(weight))?
        .after_register(|_| async { println!("ready") });
    let handle = registrar.handle();
    let app = Router::new().route("/greet", get(move || std::future::ready(format!("{name} hello"))));
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
    let told = async {
        let obeyed = obey(&caller).await;
        handle.leave();
        obeyed
    };
    let (served, obeyed) = tokio::join!(nacrite_axum::serve(listener, app, registrar), told);
    served?;
    client.close().await;
    obeyed
}

/// Does what each line says, until there are no more.
async fn obey(caller: &Caller) -> anyhow::Result<()> {
    let mut lines = BufReader::new(stdin()).lines();
    let mut ongoing: Option<Ongoing> = None;
    while let Some(line) = lines.next_line().await? {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["call", service, count] => println!("{}", caller.call(service, count.parse()?).await),
            ["begin", service] => {
                ongoing = Some(caller.begin(service));
                println!("begun");
            }
            ["end"] => println!("{}", ongoing.take().context("nothing was begun")?.end().await),
            _ => bail!("{line}: not understood"),
        }
    }
    Ok(())
}
