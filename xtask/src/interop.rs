//! Runs the official clients against a server that is started for them (`interop/README.md`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::golden;
use crate::report::{Counts, Report, counts_in};
use crate::server::Server;
use crate::shell;

/// Every language of which there is a client.
const LANGUAGES: [&str; 5] = ["go", "java", "node", "python", "rust"];

/// A client that says nothing for this long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(180);

/// Which clients.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Languages (go, java, node, python, rust), single clients (java-2.5.1), or `golden` for the recordings; all
    /// clients if none is named
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
    let is_wanted = |language: &str| named.is_empty() || named.iter().any(|which| which.starts_with(language));
    if let Some(unknown) = named.iter().find(|which| !LANGUAGES.iter().any(|language| which.starts_with(language))) {
        bail!("there is no client called {unknown}; there are {}", LANGUAGES.join(", "));
    }
    let mut server = Server::start()?;
    for language in LANGUAGES.into_iter().filter(|language| is_wanted(language)) {
        let home = shell::root().join("interop").join(language);
        let prepared = report.part(&format!("clients in {language}: prepare"), |_| {
            shell::run(&mut shell::command(home.join("prepare")))
        });
        if let Err(error) = prepared {
            report.failed(language, &format!("{error:#}"));
            continue;
        }
        let clients = shell::answer(&mut shell::command(home.join("variants")))?;
        for client in clients.split_whitespace() {
            if !named.is_empty() && !named.iter().any(|which| *which == language || *which == client) {
                continue;
            }
            report.part(&format!("client {client}"), |report| match tell_story(&home, client, &mut server) {
                Ok((counts, succeeded)) => report.counted(client, counts, succeeded),
                Err(error) => report.failed(client, &format!("{error:#}")),
            });
        }
    }
    Ok(())
}

/// Runs one client through its steps; restarts the server when it asks for that.
fn tell_story(home: &Path, client: &str, server: &mut Server) -> anyhow::Result<(Counts, bool)> {
    let program: PathBuf = home.join("run");
    let mut command = shell::command(&program);
    command.args([client, "--server", &server.address().to_string()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    let told = listen(&mut child, server);
    if told.is_err() {
        // Whatever it still does, nobody waits for it any more.
        child.kill().ok();
    }
    let status = child.wait()?;
    told.map(|said| (counts_in(&said), status.success()))
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
                println!("{line}");
                said.push_str(&line);
                said.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(said),
            Err(RecvTimeoutError::Timeout) => bail!("the client said nothing for {} s", SILENCE_MAX.as_secs()),
        }
    }
}

impl Args {
    /// Every client.
    pub(crate) fn all() -> Self {
        Self { which: Vec::new() }
    }
}
