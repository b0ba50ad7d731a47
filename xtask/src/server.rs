//! A server of our own, started for a check and ended with it.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::shell;

/// A server that is up.
pub(crate) struct Server {
    child: Child,
    /// Its HTTP port; gRPC follows at +1000 and +1001.
    pub port: u16,
    data: TempDir,
    binary: PathBuf,
    /// Settings beside the usual ones, `name=value`.
    settings: &'static [&'static str],
}

impl Server {
    /// Builds the server in release.
    pub(crate) fn build() -> anyhow::Result<()> {
        shell::run(&mut shell::cargo(&["build", "--release", "--package", "nacrite"]))
    }

    /// Starts the server that was built on free ports with empty data.
    pub(crate) fn start_built() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// The same, with settings of its own.
    pub(crate) fn start_with(settings: &'static [&'static str]) -> anyhow::Result<Self> {
        let binary = shell::target_dir().join("release/nacrite");
        let data = tempfile::tempdir().context("a directory for the data")?;
        let port = free_ports()?;
        let child = spawn(&binary, port, data.path(), settings)?;
        let mut server = Self { child, port, data, binary, settings };
        server.wait_until_up()?;
        Ok(server)
    }

    /// Ends the server in order, and starts it again on the same ports and data.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.end()?;
        self.child = spawn(&self.binary, self.port, self.data.path(), self.settings)?;
        self.wait_until_up()
    }

    /// Where it serves HTTP.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn wait_until_up(&mut self) -> anyhow::Result<()> {
        for _ in 0..1000 {
            if let Some(status) = self.child.try_wait()? {
                let mut said = String::new();
                if let Some(err) = &mut self.child.stderr {
                    err.read_to_string(&mut said)?;
                }
                bail!("the server ended: {status}\n{said}");
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port + 1000)).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("the server did not come up within 20 s")
    }

    fn end(&mut self) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        shell::answer(Command::new("kill").args(["-TERM", &pid]))?;
        for _ in 0..600 {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("the server did not end within 12 s of SIGTERM")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.end().is_err() {
            // Already gone, or beyond asking.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

fn spawn(binary: &Path, port: u16, data: &Path, settings: &[&str]) -> anyhow::Result<Child> {
    let mut command = Command::new(binary);
    command.args(["server", "--log", "warn", "--http-port", &port.to_string()]);
    for setting in ["identity.key=ref", "identity.value=ref"].iter().chain(settings) {
        command.args(["--set", setting]);
    }
    command.arg("--data-dir").arg(data).stdout(Stdio::null());
    command.spawn().with_context(|| format!("{} cannot be started", binary.display()))
}

/// An HTTP port that is free together with its gRPC ports, below the range from which clients get theirs. No two calls
/// give the same.
fn free_ports() -> anyhow::Result<u16> {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 50).unwrap_or(0) * 100;
    let start = 18_000 + own + CALLS.fetch_add(1, Ordering::Relaxed) % 12 * 8;
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let free = (start..31_000).step_by(100).find(|port| [0, 1000, 1001].iter().all(|more| is_free(port + more)));
    free.context("no three free ports")
}
