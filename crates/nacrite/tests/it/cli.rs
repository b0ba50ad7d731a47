//! The commands for clients, as users and scripts run them: against a server in the test, and against what is none.

mod config;
mod doctor;
mod peers;
mod service;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use nacrite_testkit::Node;
use serde_json::Value;

/// What a command did.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Done {
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Checks that it failed so, in one line that holds `words`.
    #[track_caller]
    fn failed(&self, code: i32, words: &str) {
        let is_one_line = self.err.starts_with("nacrite: ") && self.err.lines().count() == 1;
        assert!(self.code == Some(code) && is_one_line && self.err.contains(words), "{self:?}");
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// The binary, in an environment that says nothing about it.
fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nacrite"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("NACRITE_")) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Done {
    command.output().expect("the binary runs").into()
}

/// A command against a server of a test.
fn at(node: &Node, args: &[&str]) -> Command {
    let mut command = binary();
    command.args(args).args(["--server", &node.http.to_string(), "--grpc-port", &node.clients.port().to_string()]);
    command
}

fn nacrite(node: &Node, args: &[&str]) -> Done {
    run(&mut at(node, args))
}

/// A command that goes on until it is asked to end.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let err = BufReader::new(child.stderr.take().expect("its errors"));
        Self { child, out, err }
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        line(&mut self.out)
    }

    /// Waits for something that it says beside.
    fn told(&mut self, words: &str) {
        let mut said = String::new();
        while !said.contains(words) {
            let next = line(&mut self.err);
            assert!(!next.is_empty(), "it ended without {words:?}: {said}");
            said.push_str(&next);
        }
    }

    /// Presses Ctrl-C, and waits for the end. Returns how it ended and what it said last.
    fn interrupted(mut self) -> (Option<i32>, String) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        let mut said = String::new();
        self.err.read_to_string(&mut said).expect("text");
        (self.child.wait().expect("it ends").code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind; what has ended needs no ending.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("text");
    line
}

#[test]
fn every_command_has_help_with_examples_and_exit_codes() {
    for command in [
        "service ls",
        "service get",
        "service watch",
        "service pushes",
        "service register",
        "service deregister",
        "config ls",
        "config get",
        "config publish",
        "config watch",
        "config diff",
        "config rm",
        "doctor",
    ] {
        let help = run(binary().args(command.split(' ')).arg("--help")).ok();
        assert!(help.contains("Examples:\n") && help.contains(&format!("nacrite {command}")), "{help}");
        assert!(help.contains("Exit codes:") && help.contains("5  no server was reached"), "{help}");
    }
}

#[test]
fn help_never_shows_a_password() {
    let help = run(binary().args(["service", "ls", "--help"]).env("NACRITE_PASSWORD", "open-sesame")).ok();
    assert!(help.contains("NACRITE_PASSWORD") && !help.contains("sesame"), "{help}");
}

#[test]
fn what_cannot_be_understood_ends_with_2() {
    for args in [
        &["service"][..],
        &["service", "get"],
        &["service", "ls", "-o", "xml"],
        &["service", "register", "orders", "10.0.0.1"],
        &["service", "ls", "--tls-cert", "x"],
        &["config", "publish", "a", "b", "--cas", "x"],
    ] {
        let done = run(binary().args(args));
        assert_eq!(done.code, Some(2), "{args:?}: {done:?}");
    }
    run(binary().args(["service", "ls", "--server", "ftp://x"])).failed(2, "neither http nor https");
    run(binary().args(["service", "get", "no good", "--timeout", "1"])).failed(2, "illegal");
    run(binary().args(["service", "ls", "--username", "u"])).failed(2, "NACRITE_PASSWORD");
}

#[test]
fn a_server_that_is_not_there_ends_with_5_and_names_the_port() {
    let port = crate::process::free_port();
    for args in [&["service", "ls"][..], &["service", "watch", "a"], &["config", "get", "a"], &["config", "ls"]] {
        let done = run(binary().args(args).args(["--timeout", "1"]).env("NACRITE_SERVER", format!("127.0.0.1:{port}")));
        done.failed(5, &format!("127.0.0.1:{}", if args == ["config", "ls"] { port } else { port + 1000 }));
    }
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(binary().args(["completions", shell])).ok();
        assert!(script.contains("nacrite") && script.contains("deregister"), "{shell}");
    }
    let syntax = Command::new("bash")
        .args(["-n", "-c", &run(binary().args(["completions", "bash"])).ok()])
        .status()
        .expect("bash runs");
    assert!(syntax.success());
}

#[test]
fn variables_of_the_commands_do_not_hinder_a_server() {
    let mut command = binary();
    command.args(["server", "--set", "no.such=1"]);
    for name in ["SERVER", "NAMESPACE", "USERNAME", "PASSWORD"] {
        command.env(format!("NACRITE_{name}"), "x");
    }
    // It ends because of the setting, so none of the variables was in the way before.
    run(&mut command).failed(1, "no.such");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_is_silent_unless_it_is_asked_for() {
    let node = Node::start().await;
    assert_eq!(nacrite(&node, &["service", "ls"]).err, "");
    let done = nacrite(&node, &["service", "ls", "-v"]);
    assert!(done.code == Some(0) && done.err.contains("connected"), "{done:?}");
    node.stop().await;
}

/// Pipes, files and `NO_COLOR` get no colours; there is no terminal in a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_piped_has_no_colours() {
    let node = Node::start().await;
    let done = run(binary().args(["doctor", &node.http.to_string(), "--grpc-port", &node.clients.port().to_string()]));
    assert!(done.code == Some(0) && !done.out.contains('\x1b'), "{done:?}");
    node.stop().await;
}
