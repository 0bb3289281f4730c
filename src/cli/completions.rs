//! `twinprop completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::Error;
use crate::view::terminal;

/// Arguments of `completions`.
#[derive(Args)]
pub struct Completions {
    /// Shell that the script is for.
    shell: Shell,
}

/// Prints the shell's completion script for this program.
pub fn run(command: &Completions) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "twinprop", &mut script);
    terminal::out(&script);
    Ok(())
}
