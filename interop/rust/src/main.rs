//! The story, told by the official Rust client. Steps 22 and 23, restart and shutdown, need both halves and are here.

mod clients;
mod config;
mod instances;
mod naming;
mod steps;
mod told;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::clients::{Clients, DEFAULT_GROUP, PUBLIC};
use crate::config::ConfigStory;
use crate::instances::{a, b, fleet_members, texts};
use crate::naming::{NamingStory, ask};
use crate::steps::{End, Outcome, Steps, eventually, expect_equal};

const BACK_WITHIN: Duration = Duration::from_secs(20);
/// After a reconnect the client compares what it listens to once a minute.
const LISTENING_WITHIN: Duration = Duration::from_secs(65);
const GONE_WITHIN: Duration = Duration::from_secs(3);

struct Args {
    client: String,
    scratch: String,
    server: String,
    no_restart: bool,
    stale: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(args) = arguments() else {
        eprintln!("usage: run VARIANT --server HOST:PORT [--no-restart] [--stale-ms N]");
        return ExitCode::from(2);
    };
    let clients = Clients::new(args.server, args.scratch, args.stale);
    let steps = Steps::new(&args.client);
    let mut story = None;
    let connect = async {
        story = Some((NamingStory::connect(&clients).await?, ConfigStory::connect(&clients).await?));
        Ok(String::new())
    };
    steps.step("connect", connect).await;
    if let Some((naming, config)) = story {
        naming.tell(&steps).await;
        config.tell(&steps).await;
        let no_fuzzy_watch = async { Err(End::Skip("nacos-sdk has no fuzzy watch".to_owned())) };
        steps.step("watched-by-pattern", no_fuzzy_watch).await;
        steps.step("restart-survived", survive_restart(&naming, &config, args.no_restart)).await;
        steps.step("shutdown-leaves-nothing", shutdown(&clients, naming, config)).await;
    }
    if steps.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn survive_restart(naming: &NamingStory, config: &ConfigStory, without: bool) -> Outcome {
    if without {
        return Err(End::Skip("--no-restart".to_owned()));
    }
    let mine = a("z3", 3.0);
    naming.register(&naming.owner, DEFAULT_GROUP, mine.clone()).await?;
    naming.subscribe(&naming.watcher, &naming.listener).await?;
    config.publish_and_expect("before the restart").await?;

    println!("READY-FOR-RESTART");
    expect_equal("the driver's word", &"RESTARTED".to_owned(), &next_line().await?)?;
    let end = Instant::now() + BACK_WITHIN;
    let left = || end.saturating_duration_since(Instant::now());

    for (service, expected) in [(&naming.orders, texts([&mine])), (&naming.fleet, texts(&fleet_members()))] {
        let what = format!("instances of {service}");
        eventually(left(), &what, expected, || ask(&naming.peer, service, DEFAULT_GROUP)).await?;
    }
    // The reader would answer from its memory what it listens to.
    let content = Some("before the restart".to_owned());
    eventually(left(), "the config", content, || config::get(&config.writer, &config.live, DEFAULT_GROUP)).await?;
    let back_ms = (BACK_WITHIN - left()).as_millis();

    let after = naming.listener.told.count();
    naming.register(&naming.peer, DEFAULT_GROUP, b()).await?;
    naming.listener.told.expect(&texts([&mine, &b()]), after, Instant::now(), left()).await?;
    let after = config.listener.told.count();
    let content = "after the restart".to_owned();
    config::publish(&config.writer, &config.live, DEFAULT_GROUP, &content).await?;
    config.listener.told.expect(&content, after, Instant::now(), LISTENING_WITHIN).await?;
    Ok(format!("registrations back after {back_ms} ms"))
}

async fn shutdown(clients: &Clients, naming: NamingStory, config: ConfigStory) -> Outcome {
    // The client has no close, and dropping it keeps its connection; it has to say good-bye.
    naming.owner.deregister_instance(naming.orders.clone(), None, a("", 1.0)).await?;
    naming.peer.deregister_instance(naming.orders.clone(), None, b()).await?;
    for member in fleet_members() {
        naming.owner.deregister_instance(naming.fleet.clone(), None, member).await?;
    }
    let services = [naming.orders.clone(), naming.fleet.clone()];
    drop((naming, config));
    let end = Instant::now() + GONE_WITHIN;
    let last = clients.naming(PUBLIC).await?;
    for service in &services {
        let left = end.saturating_duration_since(Instant::now());
        eventually(left, &format!("instances of {service}"), vec![], || ask(&last, service, DEFAULT_GROUP)).await?;
    }
    Ok(String::new())
}

async fn next_line() -> Result<String, End> {
    let read = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line.trim().to_owned())
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

fn arguments() -> Option<Args> {
    let mut args = Args {
        client: String::new(),
        scratch: String::new(),
        server: String::new(),
        no_restart: false,
        stale: Duration::ZERO,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--client" => args.client = words.next()?,
            "--scratch" => args.scratch = words.next()?,
            "--server" => args.server = words.next()?,
            "--no-restart" => args.no_restart = true,
            "--stale-ms" => args.stale = Duration::from_millis(words.next()?.parse().ok()?),
            _ => return None,
        }
    }
    (!args.server.is_empty()).then_some(args)
}
