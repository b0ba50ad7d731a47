//! Runs the official clients against a server that is started for them (`interop/README.md`).

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use parking_lot::Mutex;

use crate::golden;
use crate::report::{Report, counts_in};
use crate::server::Server;
use crate::shell;

/// Every folder of clients: one for each language, and one for each framework that brings the client of its language.
const FOLDERS: [&str; 7] = ["dubbo", "go", "java", "node", "python", "rust", "spring"];

/// Clients that run at one time. They mostly wait, but those on a JVM start with everything a core has.
const AT_ONE_TIME: usize = 3;

/// Clients whose stories are long: they poll, or redo what a restart undid seldom.
const WAIT_LONG: [&str; 5] =
    ["java-1.4.7-polling", "rust-0.8.3", "node-2.6.3-polling", "python-2.0.11", "python-3.2.0"];

/// How the name of a client ends that is played against a server that tells nobody over UDP.
const POLLING: &str = "-polling";

/// A client that says nothing for this long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(180);

/// Which clients.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Languages and frameworks (dubbo, go, java, node, python, rust, spring), single clients (java-2.5.1), or `golden`
    /// for the recordings; all clients if none is named
    which: Vec<String>,
}

/// Runs the named clients, or the recordings.
pub(crate) fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let wants_golden = args.which.iter().any(|which| which == "golden");
    let named: Vec<&String> = args.which.iter().filter(|which| *which != "golden").collect();
    if wants_golden {
        golden::run(report)?;
    }
    if wants_golden && named.is_empty() {
        return Ok(());
    }
    if let Some(unknown) = named.iter().find(|which| !FOLDERS.iter().any(|folder| which.starts_with(folder))) {
        bail!("there is no client called {unknown}; there are {}", FOLDERS.join(", "));
    }
    let clients = prepare(&named, report)?;
    println!("\n{AT_ONE_TIME} at one time; what each says is shown when it is through, up to four minutes later");
    Server::build()?;
    let waiting = Mutex::new(clients);
    thread::scope(|scope| {
        let (tell, told) = mpsc::sync_channel(AT_ONE_TIME);
        for _ in 0..AT_ONE_TIME {
            let (waiting, tell) = (&waiting, tell.clone());
            scope.spawn(move || {
                while let Some(client) = next(waiting) {
                    let story = tell_story(&client);
                    if tell.send((client, story)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        for (client, story) in told {
            report.part(&format!("client {}", client.name), |report| match story {
                Ok(Story { said, succeeded }) => {
                    print!("{said}");
                    report.counted(&client.name, counts_in(&said), succeeded);
                }
                Err(error) => report.failed(&client.name, &format!("{error:#}")),
            });
        }
    });
    Ok(())
}

/// One official client.
#[derive(Clone, Debug)]
struct Client {
    home: PathBuf,
    name: String,
}

/// Fetches and builds the named clients, one folder after the other. Those that wait longest come first.
fn prepare(named: &[&String], report: &mut Report) -> anyhow::Result<VecDeque<Client>> {
    let mut clients = VecDeque::new();
    for folder in FOLDERS {
        if !named.is_empty() && !named.iter().any(|which| which.starts_with(folder)) {
            continue;
        }
        let home = shell::root().join("interop").join(folder);
        let prepared = report
            .part(&format!("clients of {folder}: prepare"), |_| shell::run(&mut shell::command(home.join("prepare"))));
        if let Err(error) = prepared {
            report.failed(folder, &format!("{error:#}"));
            continue;
        }
        for name in shell::answer(&mut shell::command(home.join("variants")))?.split_whitespace() {
            if named.is_empty() || named.iter().any(|which| *which == folder || *which == name) {
                clients.push_back(Client { home: home.clone(), name: name.to_owned() });
            }
        }
    }
    clients.make_contiguous().sort_by_key(|client| !WAIT_LONG.contains(&client.name.as_str()));
    Ok(clients)
}

fn next(waiting: &Mutex<VecDeque<Client>>) -> Option<Client> {
    waiting.lock().pop_front()
}

/// What a client said, and whether it was content.
struct Story {
    said: String,
    succeeded: bool,
}

/// Runs one client through its steps, against a server of its own; restarts the server when it asks for that.
fn tell_story(client: &Client) -> anyhow::Result<Story> {
    let settings: &[&str] = if client.name.ends_with(POLLING) { &["udp.enabled=false"] } else { &[] };
    let mut server = Server::start_with(settings)?;
    let mut command = shell::command(client.home.join("run"));
    command.args([&client.name, "--server", &server.address().to_string()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be started", client.name))?;
    let told = listen(&mut child, &mut server);
    if told.is_err() {
        // Whatever it still does, nobody waits for it any more.
        child.kill().ok();
    }
    let status = child.wait()?;
    told.map(|said| Story { said, succeeded: status.success() })
}

fn listen(child: &mut Child, server: &mut Server) -> anyhow::Result<String> {
    let out = child.stdout.take().context("the client has no output")?;
    let mut to_client = child.stdin.take().context("the client has no input")?;
    let (tell, told) = mpsc::sync_channel(64);
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    let mut said = String::new();
    loop {
        match told.recv_timeout(SILENCE_MAX) {
            Ok(line) if line.trim() == "READY-FOR-RESTART" => {
                server.restart()?;
                writeln!(to_client, "RESTARTED")?;
                to_client.flush()?;
            }
            Ok(line) => {
                said.push_str(&line);
                said.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(said),
            Err(RecvTimeoutError::Timeout) => {
                bail!("the client said nothing for {} s after:\n{said}", SILENCE_MAX.as_secs())
            }
        }
    }
}

impl Args {
    /// Every client.
    pub(crate) fn all() -> Self {
        Self { which: Vec::new() }
    }
}
