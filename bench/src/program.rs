//! How the programs of the benchmarks run and end.

use std::process::ExitCode;

/// What a benchmark does, or why it cannot.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Does `work` as the program itself does its own: on a worker of the pool, so that no call waits for one to
/// wake. An error is told, and fails.
pub fn run(work: impl FnOnce() -> Outcome<()> + Send) -> ExitCode {
    match rayon::scope(|_| work().map_err(|error| error.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
