//! The command line.

use std::process::ExitCode;

/// Every training step frees and allocates the same few hundred kilobytes on every thread. glibc returns them to the
/// system and pages them in again, which takes a quarter of the step; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(twinprop::cli::main_from(std::env::args_os()))
}
