//! The server that both are measured on: started on free ports of loopback with data of its own, and ended with the
//! run.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Ports for HTTP that are tried. gRPC follows 1000 above, and all stay below those that sockets of clients get.
const PORTS: std::ops::Range<u16> = 21_000..31_000;

pub(crate) struct Server {
    process: Child,
    at: String,
    data: PathBuf,
}

impl Server {
    /// Starts it; whoever connects first waits until it is there.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let port = free_port().context("no port is free")?;
        let data = std::env::temp_dir().join(format!("sdkbench-{}", std::process::id()));
        std::fs::create_dir_all(&data)?;
        let log = File::create(data.join("log"))?;
        let process = Command::new(program)
            .args(["server", "--log", "warn", "--http-port", &port.to_string(), "--data-dir"])
            .arg(data.join("data"))
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        Ok(Self { process, at: format!("127.0.0.1:{port}"), data })
    }

    /// Where it answers over HTTP.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    /// Where files may lie until the end of the run.
    pub(crate) fn scratch(&self) -> &Path {
        &self.data
    }

    /// Ends it after a run that went well. After any other its log stays to be read.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.kill();
        Ok(std::fs::remove_dir_all(&self.data)?)
    }

    /// Nobody needs its data any more: there is nothing to end in order.
    fn kill(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that is free together with its neighbours. Each process begins to look elsewhere.
fn free_port() -> Option<u16> {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let begin = (std::process::id() as usize * 10) % PORTS.len();
    let mut ports = PORTS.cycle().skip(begin).step_by(10).take(PORTS.len() / 10);
    ports.find(|port| [0, 1, 1000, 1001].into_iter().all(|offset| is_free(port + offset)))
}
