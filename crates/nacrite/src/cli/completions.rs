//! `nacrite completions`: what a shell needs to complete commands and flags.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::failure::Failure;
use super::{Cli, output};

pub(crate) const HELP: &str = "\
Examples:
  nacrite completions bash > /etc/bash_completion.d/nacrite
  nacrite completions zsh > \"${fpath[1]}/_nacrite\"
  nacrite completions fish > ~/.config/fish/completions/nacrite.fish";

/// For which shell.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    // Written into memory first: the generator panics when a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "nacrite", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
