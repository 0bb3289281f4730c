//! The command line.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where the output is a closed pipe or a full disk; `outln!` and `errln!` do not"
)]

mod cli;

use std::process::ExitCode;

use clap::Parser;
use twinprop::errln;
use twinprop::report::terminal;

/// A training step frees and asks for the same few hundred kilobytes again and again, on every
/// thread: glibc gives them back to the system and faults them in anew, a quarter of the step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Cli::parse();
    let only_prints = arguments.only_prints();
    // On a worker of the pool, so that parallel work starts without waking one up.
    match rayon::scope(|_| cli::run(arguments)) {
        Ok(()) => match terminal::lost_output() {
            None => ExitCode::SUCCESS,
            Some(error) if only_prints => {
                errln!("error: standard output: {error}");
                ExitCode::FAILURE
            }
            Some(error) => {
                errln!("standard output lost lines ({error}); the files are complete");
                ExitCode::SUCCESS
            }
        },
        Err(error) => {
            errln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
