//! The other workers of the pool, kept awake over a training step.
//!
//! A step is a series of short jobs that all cores share, with shorter jobs of one core between them. A worker
//! without work falls asleep after some microseconds, and waking it takes longer than many of the jobs: a step of
//! the MNIST oscillators took a fifth longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::Yield;

/// A worker falls asleep after so long without work: the step then waits for something outside the pool, such as a
/// rig, which may need the core.
const PATIENCE: Duration = Duration::from_micros(300);

/// Keeps the other workers awake until it is dropped.
pub struct Awake {
    is_over: Arc<AtomicBool>,
}

impl Awake {
    /// Makes them look for work without a pause.
    #[must_use]
    pub fn keep() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        if rayon::current_num_threads() > 1 {
            let (own, flag) = (rayon::current_thread_index(), Arc::clone(&is_over));
            rayon::spawn_broadcast(move |worker| {
                if Some(worker.index()) != own {
                    look_for_work(&flag);
                }
            });
        }
        Self { is_over }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // The broadcast's job on this worker may still be waiting.
        rayon::yield_local();
    }
}

fn look_for_work(is_over: &AtomicBool) {
    let mut last_work = Instant::now();
    while !is_over.load(Ordering::Relaxed) && last_work.elapsed() < PATIENCE {
        match rayon::yield_now() {
            Some(Yield::Executed) => last_work = Instant::now(),
            _ => std::hint::spin_loop(),
        }
    }
}
