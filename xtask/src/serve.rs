//! Builds the server in release and runs it.

use std::os::unix::process::CommandExt;

use anyhow::anyhow;

use crate::shell;

/// What goes to the server.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of `nacrite server`, for example `-- --http-port 8840`
    #[arg(last = true)]
    server: Vec<String>,
}

/// Runs the server in the place of this program, so that signals reach it alone.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    println!("building the server in release; the first time takes a few minutes");
    shell::run(&mut shell::cargo(&["build", "--release", "--package", "nacrite"]))?;
    let binary = shell::target_dir().join("release/nacrite");
    let error = shell::command(&binary).arg("server").args(&args.server).exec();
    Err(anyhow!("{} cannot be started: {error}", binary.display()))
}
