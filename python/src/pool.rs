//! The threads that compute: a pool for each job, which may wait for Python, and one a process for what never waits.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use rayon::ThreadPool;

use crate::error::exception;

static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// A pool of its own, with a thread a core or `RAYON_NUM_THREADS`: a job that waits for a function of Python holds a
/// thread of it, and that function may compute in turn.
pub fn new(py: Python) -> PyResult<ThreadPool> {
    let made = rayon::ThreadPoolBuilder::new().build();
    made.map_err(|error| exception(py, "InternalError", error.to_string()))
}

/// The pool of this process, as threads do not survive a fork, with a thread a core or `RAYON_NUM_THREADS`.
pub fn of_this_process(py: Python) -> PyResult<Arc<ThreadPool>> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    match &*pool {
        Some((of, pool)) if *of == process => Ok(pool.clone()),
        _ => {
            let made = Arc::new(new(py)?);
            // The threads of a parent's pool are not in this process: dropping it would wait for them.
            std::mem::forget(pool.replace((process, made.clone())));
            Ok(made)
        }
    }
}
