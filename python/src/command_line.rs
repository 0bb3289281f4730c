//! The command line `twinprop`, which the package brings.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command line `arguments`, of which the first is the program's name; returns the exit status.
#[pyfunction]
pub fn main(py: Python, arguments: Vec<OsString>) -> u8 {
    py.detach(|| twinprop::cli::main_from(arguments))
}
