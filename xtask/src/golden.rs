//! Plays the recorded exchanges of real Nacos servers against ours, and compares what differs with what
//! `docs/compatibility.md` says.
//!
//! A step that differs must be on the page, with its reason; a step on the page must differ. So the page stays true.

mod page;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, anyhow};
use serde_json::Value;

use self::page::Step;
use crate::report::Report;
use crate::server::Server;
use crate::shell;

/// Scenarios that are not played: other ports, locks and AI, none of which is served. The page says so.
const GRPC_LEFT_OUT: &str = "^(ai-|lock-)";

/// Scenarios that want a server for themselves: they disturb every client of it, or count what all of them watch.
const GRPC_ALONE: &str = "loader|fuzzy-limit";

/// What a player found.
#[derive(Debug, Default)]
struct Played {
    /// Steps that were played.
    steps: usize,
    /// Steps that differ in more than a trifle, and how.
    differ: Vec<(Step, String)>,
}

/// A part of the recordings that is played by itself, against a server of its own: players mostly wait.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Over gRPC, one version.
    Grpc(&'static str),
    /// Over gRPC, scenarios that disturb every client of the server.
    Exclusive,
    /// Over HTTP, one generation.
    Http(&'static str),
}

const PARTS: [Part; 6] =
    [Part::Grpc("3.1"), Part::Grpc("2.5.1"), Part::Exclusive, Part::Http("v1"), Part::Http("v2"), Part::Http("v3")];

impl Part {
    fn name(self) -> String {
        match self {
            Self::Grpc(version) => format!("gRPC {version}"),
            Self::Exclusive => "gRPC 3.1, alone on the server".to_owned(),
            Self::Http(generation) => format!("HTTP {generation}"),
        }
    }

    /// The heading of its table on the page.
    fn heading(self) -> String {
        match self {
            Self::Grpc(version) => format!("gRPC, {version}"),
            Self::Exclusive => "gRPC, 3.1".to_owned(),
            Self::Http(generation) => format!("HTTP, {generation}"),
        }
    }

    fn play(self, python: &Path, results: &Path) -> anyhow::Result<Played> {
        let server = Server::start_built()?;
        let mut player = match self {
            Self::Grpc(_) | Self::Exclusive => shell::command(python),
            Self::Http(_) => shell::command("python3"),
        };
        let target = format!("127.0.0.1:{}", server.port + 1000);
        match self {
            Self::Grpc(version) => {
                player.args(["interop/golden/grpc/grpc_play.py", "replay", "--target", &target, "--jobs", "8"]);
                player.args(["--skip", GRPC_LEFT_OUT]).arg(format!("interop/golden/grpc/{version}"));
            }
            Self::Exclusive => {
                player.args(["interop/golden/grpc/grpc_play.py", "replay", "--target", &target, "--exclusive"]);
                player.args(["--jobs", "1", "--only", GRPC_ALONE, "interop/golden/grpc/3.1"]);
            }
            Self::Http(generation) => {
                player.args(["interop/golden/http/replay_http.py", "--dir", "interop/golden/http"]);
                player.args(["--only", &format!("{generation}/*")]);
                player.args(["--base", &format!("http://{}", server.address())]);
            }
        }
        let output = player.arg("--json").arg(results).output().context("the player cannot be started")?;
        let text = std::fs::read_to_string(results)
            .map_err(|_| anyhow!("the player gave no results:\n{}", String::from_utf8_lossy(&output.stderr)))?;
        let found: Value = serde_json::from_str(&text).context("the results of the player")?;
        Ok(match self {
            Self::Http(_) => read_http(&found),
            Self::Grpc(_) | Self::Exclusive => read_grpc(&found),
        })
    }
}

/// Plays everything that is served.
pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let python = python().context("the player of the gRPC recordings needs Python with grpcio")?;
    Server::build()?;
    let page = page::read()?;
    println!("playing the recordings; this takes up to six minutes, most of it waiting as the recorded clients did");
    report.part("recordings", |report| {
        let results = tempfile::tempdir()?;
        let playing: Vec<_> = PARTS
            .into_iter()
            .enumerate()
            .map(|(at, part)| {
                let (python, results) = (python.clone(), results.path().join(format!("{at}.json")));
                (part, thread::spawn(move || part.play(&python, &results)))
            })
            .collect();
        for (part, played) in playing {
            match played.join().map_err(|_| anyhow!("the player panicked")).and_then(|played| played) {
                Ok(played) => judge(part, played, page.steps(&part.heading()), report),
                Err(error) => report.failed(&part.name(), &format!("{error:#}")),
            }
        }
        Ok(())
    })
}

/// Compares what was found with what the page says.
fn judge(part: Part, played: Played, mut expected: BTreeSet<Step>, report: &mut Report) {
    let (name, steps) = (part.name(), played.steps);
    let mut as_described = 0;
    let mut unexpected = BTreeSet::new();
    for (step, how) in played.differ {
        if expected.remove(&step) {
            as_described += 1;
        } else if unexpected.insert(step.clone()) {
            report.failed(&format!("{name}: {} step {}", step.scenario, step.number), &how);
        }
    }
    if !matches!(part, Part::Exclusive) {
        for step in expected {
            let what = "is as recorded, but docs/compatibility.md says that it differs";
            report.failed(&format!("{name}: {} step {}", step.scenario, step.number), what);
        }
    }
    report.passed(steps - as_described - unexpected.len());
    println!(
        "{name}: {steps} steps played, {as_described} differ as docs/compatibility.md says, {} otherwise",
        unexpected.len()
    );
}

/// `[{scenario, step, name, class, diffs: [[class, where, what]]}]`
fn read_http(found: &Value) -> Played {
    let mut played = Played::default();
    for row in found.as_array().into_iter().flatten() {
        played.steps += 1;
        let class = row["class"].as_str().unwrap_or_default();
        if class == "ok" || class == "minor" {
            continue;
        }
        let scenario = row["scenario"].as_str().unwrap_or_default();
        let number = row["step"].as_str().and_then(|step| step.parse().ok()).unwrap_or_default();
        let how = row["diffs"][0].as_array().into_iter().flatten().filter_map(Value::as_str);
        let how = how.collect::<Vec<_>>().join(" ");
        played.differ.push((Step { scenario: scenario.to_owned(), number }, how));
    }
    // A step may be listed once per difference.
    played.differ.dedup_by(|a, b| a.0 == b.0);
    played
}

/// `[{name, checks, diffs: [{step, level, path, what}]}]`
fn read_grpc(found: &Value) -> Played {
    let mut played = Played::default();
    for row in found.as_array().into_iter().flatten() {
        let scenario = row["name"].as_str().unwrap_or_default();
        played.steps += row["checks"].as_u64().and_then(|checks| usize::try_from(checks).ok()).unwrap_or_default();
        for diff in row["diffs"].as_array().into_iter().flatten() {
            if diff["level"] == "minor" {
                continue;
            }
            let number = diff["step"].as_u64().and_then(|step| u32::try_from(step).ok()).unwrap_or_default();
            let how = format!("{} {}", diff["path"].as_str().unwrap_or_default(), diff["what"]);
            played.differ.push((Step { scenario: scenario.to_owned(), number }, how));
        }
    }
    played.differ.dedup_by(|a, b| a.0 == b.0);
    played
}

/// A Python of our own that has what the player needs.
fn python() -> anyhow::Result<PathBuf> {
    let home = shell::target_dir().join("golden-python");
    let python = home.join("bin/python");
    let is_whole =
        || shell::command(&python).args(["-c", "import grpc"]).output().is_ok_and(|out| out.status.success());
    if !is_whole() {
        println!("making a Python with grpcio in {}", home.display());
        shell::run(shell::command("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        shell::run(shell::command(&python).args(["-m", "pip", "install", "--quiet", "grpcio==1.76.0"]))?;
    }
    Ok(python)
}
