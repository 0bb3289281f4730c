//! The other workers of the pool, kept awake over a training step.
//!
//! A step is a row of short pieces of work that all cores share, with a little between them that one core
//! does alone. A worker that finds nothing to do falls asleep in some microseconds, and waking it takes
//! longer than many of the pieces: a step of the MNIST oscillators took a fifth longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::Yield;

/// A worker falls asleep all the same when it has found nothing to do for so long: whoever is waited for,
/// a rig for example, is not in this pool, and may need the core.
const PATIENCE: Duration = Duration::from_micros(300);

/// Keeps the other workers awake until it is dropped.
pub struct Awake {
    is_over: Arc<AtomicBool>,
}

impl Awake {
    /// Asks them to look for work without a pause.
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
        // This worker was asked as well, and may not have had the time to say no.
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
