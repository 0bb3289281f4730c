//! Independent jobs, several at a time.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::ThreadPoolBuilder;

use crate::Error;
use crate::training::{Event, Observer, Task};

/// Jobs that are done by several threads.
pub(in crate::experiment) struct Jobs<'t, 'o> {
    /// How many there are.
    count: usize,
    /// The work that they are part of.
    task: Mutex<&'t mut Task<'o>>,
    is_stopped: AtomicBool,
}

impl<'t, 'o> Jobs<'t, 'o> {
    /// `count` jobs, which are the steps of `task`.
    pub fn new(count: usize, task: &'t mut Task<'o>) -> Self {
        Self { count, task: Mutex::new(task), is_stopped: AtomicBool::new(false) }
    }

    /// Begins no further job.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked for a stop.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    fn task(&self) -> MutexGuard<'_, &'t mut Task<'o>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `done` jobs have ended, the last of them as `message` says.
    pub fn advance(&self, done: usize, message: &str) {
        if self.task().advance(done, message).is_break() {
            self.stop();
        }
    }

    /// Does `work` for each job, `at_once` at a time, each on its share of the cores. `name` names a job to the
    /// observer, which hears what it tells as [`Event::Job`]; `done` gets what comes of each, in the order in which
    /// they end.
    ///
    /// # Errors
    /// [`Error::Usage`] for more threads than the system has.
    pub fn run<T: Send>(
        &self,
        at_once: usize,
        work: impl Fn(usize, &mut dyn Observer) -> T + Sync,
        name: impl Fn(usize) -> String + Sync,
        done: impl FnMut(usize, T) + Send,
    ) -> Result<(), Error> {
        let at_once = at_once.clamp(1, self.count.max(1));
        let threads = (rayon::current_num_threads() / at_once).max(1);
        let pools = (0..at_once)
            .map(|_| ThreadPoolBuilder::new().num_threads(threads).build())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Error::Usage(format!("{at_once} jobs are too many here: {error}")))?;
        let next = AtomicUsize::new(0);
        let done = Mutex::new(done);
        std::thread::scope(|scope| {
            for pool in &pools {
                let (next, done, work, name) = (&next, &done, &work, &name);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= self.count || self.is_stopped() {
                            return;
                        }
                        let mut observer = JobObserver { name: name(number), jobs: self };
                        let outcome = pool.install(|| work(number, &mut observer));
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done(number, outcome);
                    }
                });
            }
        });
        Ok(())
    }
}

/// Passes on what a job tells, with the job's name.
struct JobObserver<'j, 't, 'o> {
    name: String,
    jobs: &'j Jobs<'t, 'o>,
}

impl Observer for JobObserver<'_, '_, '_> {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        let flow = self.jobs.task().forward(&Event::Job { name: &self.name, event });
        if flow.is_break() {
            self.jobs.stop();
        }
        Ok(flow)
    }
}
