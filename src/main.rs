//! The command line.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where the output is a closed pipe or a full disk; `outln!` and `errln!` do not"
)]

mod cli;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use cli::ending;
use twinprop::errln;
use twinprop::report::for_command_line;
use twinprop::view::terminal;

/// Every training step frees and allocates the same few hundred kilobytes on every thread. glibc returns them to the
/// system and pages them in again, which takes a quarter of the step; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Cli::parse();
    let only_prints = arguments.only_prints();
    ending::make_safe_before_abort();
    // On a thread of the pool, so that parallel work starts without waking one up.
    let work = AssertUnwindSafe(|| rayon::scope(|_| cli::run(arguments)));
    match catch_unwind(work) {
        Ok(Ok(())) => ending::end(status_of_output(only_prints), None),
        Ok(Err(error)) => {
            errln!("error: {}", for_command_line(&error.to_string()));
            ending::end(ExitCode::from(ending::status_of(&error)), Some(&error))
        }
        // The panic hook has reported it.
        Err(_) => ending::end(ExitCode::from(PANICKED), None),
    }
}

/// Exit status after a panic, as Rust sets it.
const PANICKED: u8 = 101;

/// Exit status of a command that succeeded, by whether its lines could be written.
fn status_of_output(only_prints: bool) -> ExitCode {
    match terminal::lost_output() {
        None => ExitCode::SUCCESS,
        Some(error) if only_prints => {
            errln!("error: standard output: {error}");
            ExitCode::FAILURE
        }
        Some(error) => {
            errln!("standard output lost lines ({error}); the files are complete");
            ExitCode::SUCCESS
        }
    }
}
