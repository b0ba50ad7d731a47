//! A server process of a test.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// A server that is up.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
    /// What it printed until it was up.
    pub(crate) screen: String,
}

impl Process {
    /// Starts a server and waits until it says that it is up.
    pub(crate) fn start(data: &Path, port: u16) -> Self {
        Self::start_with(command(data, port), port)
    }

    /// Starts a server by a command and waits until it says that it is up.
    pub(crate) fn start_with(mut command: Command, port: u16) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut screen = String::new();
        while !screen.contains("Ctrl-C stops the server") {
            let read = out.read_line(&mut screen).expect("text");
            assert!(read > 0, "the server ended before it was up:\n{screen}");
        }
        Self { child, port, screen }
    }

    /// Where it speaks gRPC to clients.
    pub(crate) fn clients(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port + 1000).into()
    }

    /// Ends it as a power cut would, as far as the process can tell.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(asked.success());
    }

    /// How it ended.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that failed leaves no server behind; one that has ended needs no ending.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The command that starts a server.
pub(crate) fn command(data: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nacrite"));
    command.args(["server", "--log", "warn", "--http-port", &port.to_string()]).arg("--data-dir").arg(data);
    command
}

/// Runs a command that must fail, and returns its exit code and what it said.
pub(crate) fn refusal(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut said = String::new();
    child.stderr.take().expect("its errors").read_to_string(&mut said).expect("text");
    (child.wait().expect("it ends").code(), said)
}

/// An HTTP port whose gRPC ports are free as well; every call gives another, below the range of clients' ports.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 24_000 + u16::try_from(std::process::id() % 100).unwrap_or(0) * 50;
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    loop {
        let port = first + NEXT.fetch_add(3, Ordering::Relaxed) % 2000;
        if [port, port + 1000, port + 1001].into_iter().all(is_free) {
            return port;
        }
    }
}
