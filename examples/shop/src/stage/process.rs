//! One process of the shop: ready when it says so, ended in order or at once, never left behind.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// The first word of the line with which a process says that it can be used; the second is its address.
const READY: &str = "ready";

/// Starting takes a fraction of a second; a process that takes this long on a busy machine hangs.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Longer than every part of the shop allows itself for leaving in order.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// A process that was started here.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// `None` once it has ended.
    pid: Option<Pid>,
}

impl Process {
    /// Starts it. It gets no signal that is meant for whoever started it: a Ctrl-C must not end everything at once.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(name: &str, program: &Path, args: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("{} cannot be started", program.display()))?;
        let lines = BufReader::new(child.stdout.take().context("its output was asked for")?).lines();
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { name: name.to_owned(), child, lines, pid })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it says that it is ready, and returns where.
    ///
    /// # Errors
    /// It ended, or said nothing of that kind in time.
    pub async fn ready(&mut self) -> anyhow::Result<SocketAddr> {
        let name = &self.name;
        let said = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(address) = line.strip_prefix(READY) {
                    return address.trim().parse().with_context(|| format!("{name}: {address} is no address"));
                }
            }
            bail!("{name} ended before it was ready")
        };
        timeout(READY_WITHIN, said).await.with_context(|| format!("{name} was not ready within {READY_WITHIN:?}"))?
    }

    /// Asks it to end in order; returns at once.
    pub fn ask_to_stop(&self) {
        self.send(Signal::TERM);
    }

    /// Asks it to end in order, and waits until it did.
    ///
    /// # Errors
    /// It did not end in time, and was killed.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.ask_to_stop();
        let Ok(ended) = timeout(STOPPED_WITHIN, self.ended()).await else {
            self.kill().await?;
            bail!("{} did not end within {STOPPED_WITHIN:?} and was killed", self.name);
        };
        match ended? {
            status if status.success() => Ok(()),
            status => bail!("{}: {status}", self.name),
        }
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// The system does not say that it ended.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.send(Signal::KILL);
        self.ended().await.map(drop)
    }

    /// Waits until it ended, of whatever.
    ///
    /// # Errors
    /// The system does not say.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.pid = None;
        Ok(status)
    }

    fn send(&self, signal: Signal) {
        // It may just have ended by itself; its number belongs to nobody else before it was waited for.
        if let Some(Err(error)) = self.pid.map(|pid| kill_process(pid, signal)) {
            tracing::debug!(process = self.name, %error, "signal not sent");
        }
    }
}
