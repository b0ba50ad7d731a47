//! Plays the recorded exchanges of real Nacos servers against ours.

use anyhow::Context;

use crate::report::{Report, counts_in};
use crate::server::Server;
use crate::shell;

/// Scenarios that the server does not match yet, each with its reason in `docs/compatibility.md`.
mod expected;

/// Plays everything that is served.
pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let python = python().context("the player of the gRPC recordings needs Python with grpcio")?;
    let server = Server::start()?;
    let target = format!("127.0.0.1:{}", server.port + 1000);
    for (recording, skip) in [("3.1", expected::GRPC_3_1), ("2.5.1", expected::GRPC_2_5_1)] {
        let name = format!("recordings over gRPC, {recording}");
        report.part(&name, |report| {
            let mut player = shell::command(&python);
            player.args(["interop/golden/grpc/grpc_play.py", "replay", "--target", &target, "--jobs", "8"]);
            player.args(["--skip", skip]).arg(format!("interop/golden/grpc/{recording}"));
            let (status, said) = shell::tee(&mut player)?;
            report.counted(&name, counts_in(&said), status.success());
            anyhow::Ok(())
        })?;
    }
    let name = "recordings over gRPC, those that disturb every client";
    report.part(name, |report| {
        let mut player = shell::command(&python);
        player.args(["interop/golden/grpc/grpc_play.py", "replay", "--target", &target, "--exclusive", "--jobs", "1"]);
        player.args(["--only", expected::GRPC_EXCLUSIVE, "interop/golden/grpc/3.1"]);
        let (status, said) = shell::tee(&mut player)?;
        report.counted(name, counts_in(&said), status.success());
        anyhow::Ok(())
    })?;
    let name = "recordings over HTTP";
    report.part(name, |report| {
        let mut player = shell::command("python3");
        player.args(["interop/golden/http/replay_http.py", "--dir", "interop/golden/http"]);
        player.args(["--base", &format!("http://{}", server.address()), "--only", expected::HTTP]);
        let (status, said) = shell::tee(&mut player)?;
        report.counted(name, counts_in(&said), status.success());
        anyhow::Ok(())
    })
}

/// A Python of our own that has what the player needs.
fn python() -> anyhow::Result<std::path::PathBuf> {
    let home = shell::target_dir().join("golden-python");
    let python = home.join("bin/python");
    if !python.exists() {
        println!("making a Python with grpcio in {}", home.display());
        shell::run(shell::command("python3").args(["-m", "venv"]).arg(&home))?;
        shell::run(shell::command(&python).args(["-m", "pip", "install", "--quiet", "grpcio==1.76.0"]))?;
    }
    Ok(python)
}
