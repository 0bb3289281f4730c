//! Runs a benchmark program and sets its exit status.

use std::process::ExitCode;

/// Result of a benchmark.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Runs `work` on a thread of the pool, as `twinprop` does, so that no call waits for a thread to wake. Prints an
/// error, and returns the exit status.
pub fn run(work: impl FnOnce() -> Outcome<()> + Send) -> ExitCode {
    match rayon::scope(|_| work().map_err(|error| error.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
