//! The end of the process: rigs go to their safe states.

use pyo3::prelude::*;
use twinprop::devices::rig;

/// Sends all rigs to their safe states, and returns those that have not confirmed it. No rig can be opened afterwards.
#[pyfunction]
pub fn make_all_safe(py: Python) -> Vec<String> {
    py.detach(rig::make_all_safe)
}
