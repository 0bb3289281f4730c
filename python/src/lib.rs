//! The Rust half of the Python package `twinprop`: devices, calibrations and twins on NumPy arrays.
//!
//! ```text
//! Python's thread                          a job's thread, with its pool
//! device.measure ──► Boundary ──► function
//! calibrate ───────► job::run ───────────► measure, fit, judge
//!      ▲ serves functions, progress, Ctrl-C    │
//!      └───────────── requests ◄───────────────┘
//! ```
//!
//! No thread of this crate calls Python: a job asks the thread that started it, which waits for its requests.

mod arrays;
mod calibration;
mod callback;
mod command_line;
mod device;
mod error;
mod function_device;
mod function_loss;
mod function_twin;
mod job;
mod passed;
mod pool;
mod run;
mod safety;
mod twin;

use pyo3::pymodule;

/// As the command line has, for what a step frees and allocates again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Devices, calibrations and twins; the package `twinprop` wraps them.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::calibration::{calibrate, judge, load_twin, measure_design};
    #[pymodule_export]
    use super::command_line::main;
    #[pymodule_export]
    use super::device::{Device, open_device, simulate};
    #[pymodule_export]
    use super::run::{evaluate, parameters, predict, recalibrate, train, transfer, watch};
    #[pymodule_export]
    use super::safety::make_all_safe;
    #[pymodule_export]
    use super::twin::Twin;
}
