//! The command line.

mod cli;

use std::process::ExitCode;

use clap::Parser;

/// A training step frees and asks for the same few hundred kilobytes again and again, on every
/// thread: glibc gives them back to the system and faults them in anew, a quarter of the step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Cli::parse();
    // On a worker of the pool, so that parallel work starts without waking one up.
    match rayon::scope(|_| cli::run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
