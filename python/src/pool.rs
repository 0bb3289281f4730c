//! The threads that compute: one pool a process, as threads do not survive a fork.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use rayon::ThreadPool;

use crate::error::exception;

static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// The pool of this process, with a thread a core or `RAYON_NUM_THREADS`.
pub fn of_this_process(py: Python) -> PyResult<Arc<ThreadPool>> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    match &*pool {
        Some((of, pool)) if *of == process => Ok(pool.clone()),
        _ => {
            let made = rayon::ThreadPoolBuilder::new().build();
            let made = made.map_err(|error| exception(py, "InternalError", error.to_string()))?;
            let made = Arc::new(made);
            // The threads of a parent's pool are not in this process: dropping it would wait for them.
            std::mem::forget(pool.replace((process, made.clone())));
            Ok(made)
        }
    }
}
