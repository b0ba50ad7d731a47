//! `cargo xtask`: everything that is done with the project, from a fresh clone on a fresh machine.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program speaks to its user")]
#![expect(clippy::disallowed_methods, reason = "runs other programs and waits for them; nothing of the server is here")]

mod bench;
mod checks;
mod crash;
mod fuzz;
mod gen_proto;
mod golden;
mod interop;
mod report;
mod serve;
mod server;
mod shell;
mod shop;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::Report;

/// Everything that is done with Nacrite.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build in release and run the server; what follows `--` goes to it
    Serve(serve::Args),
    /// Run every check: what `verify` does, the tests, crashes, the recordings, the official clients
    Test(checks::TestArgs),
    /// Format, lints, house rules, dependencies; writes nothing
    Verify,
    /// Write what can be written: format, generated pages
    Fix,
    /// Make the Rust code of `.proto` files, which is kept beside them
    GenProto(gen_proto::Args),
    /// House rules alone
    Tidy,
    /// The official clients, or `golden` for the recordings, against a server started for them
    Interop(interop::Args),
    /// The load driver against this server, and against others that are named
    Bench(bench::Args),
    /// Kill the server under load, again and again, and look for what it lost
    Crash(crash::Args),
    /// Feed broken input to what reads input
    Fuzz(fuzz::Args),
    /// Open the shop of `examples/shop`, or try it under load
    Shop(shop::Args),
}

fn main() -> ExitCode {
    let mut report = Report::default();
    let done = match Cli::parse().command {
        Command::Serve(args) => return finish(serve::run(&args)),
        Command::Fix => return finish(checks::fix()),
        Command::GenProto(args) => return finish(gen_proto::run(&args)),
        Command::Bench(args) => return finish(bench::run(&args)),
        Command::Test(args) => checks::test(&args, &mut report),
        Command::Verify => checks::verify(&mut report),
        Command::Tidy => tidy::run(&mut report),
        Command::Interop(args) => interop::run(&args, &mut report),
        Command::Crash(args) => crash::run(&args, &mut report),
        Command::Fuzz(args) => fuzz::run(&args, &mut report),
        Command::Shop(args) => shop::run(&args, &mut report),
    };
    if let Err(error) = done {
        report.failed("cannot go on", &format!("{error:#}"));
    }
    report.close()
}

fn finish(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
