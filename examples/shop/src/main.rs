//! Opens the shop: starts a registry, price services and a front, says what there is to try, and closes all of it in order
//! on Ctrl-C. What each process does stands in `prices/` and `front/`.

#![expect(clippy::print_stdout, reason = "it speaks to whoever started it")]

mod guide;

use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use futures_util::future::select_all;
use shop::stage::{Plan, Process, Programs, Shop};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A small system of services that find each other by name, to be started, watched and broken
#[derive(Parser)]
struct Cli {
    /// Weights of the price services, one each
    #[arg(long, value_delimiter = ',', default_value = "1,1,1", value_name = "NUMBERS")]
    weights: Vec<f64>,
    /// How long each of their answers takes, as if they asked a database
    #[arg(long, default_value_t = 0, value_name = "MS")]
    answer_takes_ms: u64,
    /// Port of the front; 0 for a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    shop::log();
    let mut stops = Stops::listen()?;
    let programs = Programs::beside(&std::env::current_exe().context("where this program is")?)?;
    println!("opening the shop");
    let answer_takes = Duration::from_millis(cli.answer_takes_ms);
    let plan = Plan { weights: cli.weights, answer_takes, front_port: cli.port };
    let mut shop = tokio::select! {
        shop = Shop::open(programs.clone(), plan) => shop?,
        () = stops.next() => return Ok(()),
    };
    guide::print(&shop, &programs);
    loop {
        tokio::select! {
            said = first_to_end(&mut shop) => println!("{said}"),
            () = stops.next() => break,
        }
    }
    println!("closing: the front, the price services, the registry; Ctrl-C again for at once");
    tokio::select! {
        closed = shop.close() => closed,
        // What still runs is killed when the shop is dropped.
        () = stops.next() => Ok(()),
    }
}

/// Waits until something ends that was not asked to by this program, and says what.
async fn first_to_end(shop: &mut Shop) -> String {
    let running: Vec<&mut Process> = shop.processes().filter(|process| process.id().is_some()).collect();
    if running.is_empty() {
        std::future::pending::<()>().await;
    }
    let ended = running.into_iter().map(|process| Box::pin(async move { (process.ended().await, process.name()) }));
    match select_all(ended).await.0 {
        (Ok(status), name) => format!("{name} ended: {status}"),
        (Err(error), name) => format!("{name}: {error}"),
    }
}

/// Ctrl-C, and what ends programs that nobody sits before.
struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
