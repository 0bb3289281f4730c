//! Independent pieces of work, several at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rayon::{ThreadPoolBuilder, Yield};

use crate::Error;
use crate::report::without_progress;

/// Between two looks whether all is done.
const PAUSE: Duration = Duration::from_millis(20);

/// Does `work`, which has a `name`, for each of `count` numbers, `jobs` at a time, each on its share of the
/// cores; `done` hears what comes of each, in the order in which they end. Work that has not begun when `is_stopped` says so
/// is left out.
pub(in crate::experiment) fn in_parallel<T: Send>(
    count: usize,
    jobs: usize,
    is_stopped: impl Fn() -> bool + Sync,
    (work, name): (impl Fn(usize) -> T + Sync, impl Fn(usize) -> String + Sync),
    done: impl FnMut(usize, T) + Send,
) -> Result<(), Error> {
    let jobs = jobs.clamp(1, count.max(1));
    let threads = (rayon::current_num_threads() / jobs).max(1);
    let pools = (0..jobs)
        .map(|_| ThreadPoolBuilder::new().num_threads(threads).build())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::Usage(format!("{jobs} jobs are too many here: {error}")))?;
    let next = AtomicUsize::new(0);
    let done = Mutex::new(done);
    std::thread::scope(|scope| {
        let workers: Vec<_> = pools
            .iter()
            .map(|pool| {
                let (next, done, is_stopped) = (&next, &done, &is_stopped);
                let (work, name) = (&work, &name);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count || is_stopped() {
                            return;
                        }
                        let outcome =
                            pool.install(|| without_progress(&name(number), || work(number)));
                        let mut done =
                            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        done(number, outcome);
                    }
                })
            })
            .collect();
        // Whoever waits here may be the only worker of the common pool, which twins learn on.
        while workers.iter().any(|worker| !worker.is_finished()) {
            if rayon::yield_now() != Some(Yield::Executed) {
                std::thread::sleep(PAUSE);
            }
        }
    });
    Ok(())
}
