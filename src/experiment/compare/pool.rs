//! Runs independent jobs in parallel.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::ThreadPoolBuilder;

use crate::Error;
use crate::training::{Event, Observer, Task};

/// Jobs that run on several threads.
pub(in crate::experiment) struct Jobs<'t, 'o> {
    /// Number of jobs.
    count: usize,
    /// The task that the jobs belong to.
    task: Mutex<&'t mut Task<'o>>,
    is_stopped: AtomicBool,
}

impl<'t, 'o> Jobs<'t, 'o> {
    /// `count` jobs, each one step of `task`.
    pub fn new(count: usize, task: &'t mut Task<'o>) -> Self {
        Self { count, task: Mutex::new(task), is_stopped: AtomicBool::new(false) }
    }

    /// Starts no further job.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was requested.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    fn task(&self) -> MutexGuard<'_, &'t mut Task<'o>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports that `done` jobs have ended, with a `message` on the last.
    pub fn advance(&self, done: usize, message: &str) {
        if self.task().advance(done, message).is_break() {
            self.stop();
        }
    }

    /// Calls `work` for each job, `at_once` at a time, each on its share of the cores. The observer hears the events
    /// of a job as [`Event::Job`] with its `name`. `done` gets each result, in the order of completion.
    ///
    /// # Errors
    /// [`Error::Usage`] if the system cannot start so many threads.
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
            .map_err(|error| Error::Usage(format!("option `jobs` {at_once}: the threads cannot be started: {error}; use fewer jobs")))?;
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

/// Forwards the events of a job, with the job's name.
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
