//! The binary: `nacrite server`, and what helps to run it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program speaks to its user")]

mod banner;
mod cli;
mod observe;
mod rules;
mod server;
mod settings;
mod sockets;

use std::process::ExitCode;

use clap::Parser;

/// Gives memory back to the system after a storm of connections, and costs less per small request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match cli::Cli::parse().command {
        cli::Command::Server(args) => args.sources().and_then(|sources| server::run(&sources)),
        cli::Command::Settings => {
            print!("{}", settings::page::text());
            Ok(())
        }
        cli::Command::Client(command) => return ended(cli::run(command)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nacrite: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says in one line why a command was not done, and ends with the exit code that scripts go by.
fn ended(done: Result<(), cli::Failure>) -> ExitCode {
    let Err(failure) = done else {
        return ExitCode::SUCCESS;
    };
    let line = failure.to_string();
    if !line.is_empty() {
        eprintln!("nacrite: {line}");
    }
    ExitCode::from(failure.kind as u8)
}
