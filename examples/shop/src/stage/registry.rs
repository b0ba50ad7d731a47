//! The registry of the shop: a server of this project on free ports, with data of its own that vanishes with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, timeout};

use super::Process;

/// It takes milliseconds; a busy machine may need longer.
const UP_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether it is up.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Ports for HTTP that are tried; gRPC follows 1000 and 1001 above, and all are below those that sockets of clients get.
const PORTS: std::ops::Range<u16> = 21_300..31_000;

/// A server that is up.
#[derive(Debug)]
pub struct Registry {
    program: PathBuf,
    process: Process,
    port: u16,
    data: TempDir,
}

impl Registry {
    /// Starts a server without data.
    ///
    /// # Errors
    /// It did not come up.
    pub async fn start(program: &Path) -> anyhow::Result<Self> {
        let data = tempfile::tempdir().context("a directory for the registry")?;
        let port = free_port().await.context("no three ports are free for the registry")?;
        let process = spawn(program, port, data.path())?;
        let mut registry = Self { program: program.to_owned(), process, port, data };
        registry.up().await?;
        Ok(registry)
    }

    /// Where it is reached.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The number of its process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    pub(super) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// It did not end in time.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.stop().await
    }

    /// Takes it away as a crash would.
    ///
    /// # Errors
    /// The system does not say that it ended.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// Starts it again, where it was and with what it had.
    ///
    /// # Errors
    /// It did not come up.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = spawn(&self.program, self.port, self.data.path())?;
        self.up().await
    }

    /// Waits until it takes connections from clients.
    async fn up(&mut self) -> anyhow::Result<()> {
        let clients = (Ipv4Addr::LOCALHOST, self.port + 1000);
        let answers = async {
            let mut turns = interval(LOOK_AGAIN);
            while TcpStream::connect(clients).await.is_err() {
                turns.tick().await;
            }
        };
        tokio::select! {
            up = timeout(UP_WITHIN, answers) => up.with_context(|| format!("no registry within {UP_WITHIN:?}")),
            ended = self.process.ended() => bail!("the registry ended: {}", ended?),
        }
    }
}

fn spawn(program: &Path, port: u16, data: &Path) -> anyhow::Result<Process> {
    let (port, data) = (port.to_string(), data.to_string_lossy());
    Process::start("registry", program, &["server", "--log", "warn", "--http-port", &port, "--data-dir", &data])
}

/// A port that is free together with those above that the registry takes. Each process begins to look elsewhere.
async fn free_port() -> Option<u16> {
    let tens = (PORTS.end - PORTS.start) / 10;
    let begin = u16::try_from(std::process::id() % u32::from(tens)).unwrap_or_default();
    for step in 0..tens {
        let port = PORTS.start + (begin + step) % tens * 10;
        let mut held = Vec::new();
        for more in [0, 1000, 1001] {
            held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port + more)).await);
        }
        if held.len() == 3 {
            return Some(port);
        }
    }
    None
}
