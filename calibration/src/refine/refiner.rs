//! A learner beside a training.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rayon::Yield;
use serde::{Deserialize, Serialize};

use crate::error::CalibrationError;
use crate::state::State;
use crate::twin::{DigitalTwin, Learner};
use twinprop_devices::shots::ShotRun;

/// Steps that are taken one after the other: the runs of each step, and its learning rate.
pub type Lesson = Vec<(Vec<Arc<ShotRun>>, f64)>;

/// The result of a lesson.
pub struct Learned {
    /// The twin after it.
    pub twin: Box<dyn DigitalTwin>,
    /// Mean squared error before a step, averaged over the first tenth of the steps, in units of each
    /// channel's variance.
    pub error_before: f32,
    /// The same, averaged over the last tenth.
    pub error_after: f32,
    /// Duration in seconds.
    pub seconds: f64,
}

/// A [`Learner`] that learns while its owner does something else.
///
/// Lessons are learned in the order in which they are given, and [`learned`](Self::learned) returns
/// their results in the same order: the results do not depend on how fast the lessons are.
///
/// A lesson is learned in the rayon thread pool of the thread that [gives](Self::give) it. Given by a
/// thread that is in no pool, it is learned on a thread of the refiner, which shares out its work in
/// rayon's global pool.
///
/// ```
/// use std::sync::Arc;
/// use twinprop_calibration::burn::tensor::Device;
/// use twinprop_calibration::design::DesignConfig;
/// use twinprop_calibration::{DigitalTwin, EquationTwin, Refiner, Shots};
/// use twinprop_devices::PhysicalLayer;
/// use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = SecondHarmonicConfig { inputs: 4, parameters: 3, outputs: 5, ..Default::default() };
/// let mut device = SecondHarmonic::fabricated(&config, 0.1, 1)?;
/// let (inputs, parameters) = DesignConfig::Uniform.draw(device.interface(), 32, None, 1)?;
/// let shots = Shots::measure(&mut device, inputs, parameters, |_| ())?;
///
/// let twin = EquationTwin::new(Box::new(SecondHarmonic::nominal(&config)?));
/// let learner = twin.learner(&Device::flex()).ok_or("the twin has nothing to learn")?;
/// let mut refiner = Refiner::new(learner);
/// let rate = refiner.steady_rate();
/// let runs: Vec<_> = shots.runs(1).into_iter().map(Arc::new).collect();
/// refiner.give(vec![(runs.clone(), rate), (runs, rate)]);
/// // … a training step …
/// let learned = refiner.learned()?.ok_or("no lesson was given")?;
/// assert!(learned.error_after < learned.error_before);
/// # Ok(())
/// # }
/// ```
pub struct Refiner {
    steady_rate: f64,
    lessons: Arc<Lessons>,
    results: Receiver<LessonResult>,
    /// Lessons without a received result.
    waiting: usize,
    /// A result that was received before it was asked for.
    early: Option<LessonResult>,
    thread: Option<LessonThread>,
}

type LessonResult = Result<Learned, CalibrationError>;

/// Where a refiner stands, for a later process.
pub struct RefinerState {
    /// The state of its learner.
    pub learner: State,
    /// The result of the last lesson, where it has not been asked for yet.
    pub pending: Option<PendingLesson>,
}

/// The result of a lesson without the twin, which the learner holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PendingLesson {
    /// Its errors before and after, as in [`Learned`], and its seconds.
    Learned(f32, f32, f64),
    /// It failed.
    Failed,
}

impl Refiner {
    /// A refiner with `learner`.
    #[must_use]
    pub fn new(learner: Box<dyn Learner>) -> Self {
        let steady_rate = learner.steady_rate();
        let (sender, results) = channel();
        let queue = Queue { lessons: VecDeque::new(), is_running: false, results: Some(sender) };
        let lessons = Arc::new(Lessons { learner: Mutex::new(learner), queue: Mutex::new(queue) });
        Self { steady_rate, lessons, results, waiting: 0, early: None, thread: None }
    }

    /// Resumes from `state`, with a new learner of the same twin.
    ///
    /// # Errors
    /// Says what is missing from the state.
    pub fn resume(mut learner: Box<dyn Learner>, state: RefinerState) -> Result<Self, String> {
        learner.restore(state.learner)?;
        let early = state.pending.map(|pending| match pending {
            PendingLesson::Learned(error_before, error_after, seconds) => {
                Ok(Learned { twin: learner.twin(), error_before, error_after, seconds })
            }
            PendingLesson::Failed => Err(CalibrationError::RefinementDiverged { error: f32::NAN }),
        });
        let mut refiner = Self::new(learner);
        refiner.early = early;
        Ok(refiner)
    }

    /// Waits for the lesson under way, and returns where the refiner stands after it. The lesson's
    /// result is still returned by [`learned`](Self::learned). At most one lesson may be under way.
    pub fn state(&mut self) -> RefinerState {
        if self.early.is_none() {
            self.early = self.next_result();
        }
        let pending = self.early.as_ref().map(|result| match result {
            Ok(Learned { error_before, error_after, seconds, .. }) => {
                PendingLesson::Learned(*error_before, *error_after, *seconds)
            }
            Err(_) => PendingLesson::Failed,
        });
        RefinerState { learner: lock(&self.lessons.learner).state(), pending }
    }

    /// Adam's learning rate for lessons that follow each other without an end.
    #[must_use]
    pub fn steady_rate(&self) -> f64 {
        self.steady_rate
    }

    /// Gives a lesson and returns at once.
    pub fn give(&mut self, lesson: Lesson) {
        self.waiting += 1;
        {
            let mut queue = lock(&self.lessons.queue);
            queue.lessons.push_back(lesson);
            if std::mem::replace(&mut queue.is_running, true) {
                return;
            }
        }
        if rayon::current_thread_index().is_some() {
            let lessons = Arc::clone(&self.lessons);
            rayon::spawn(move || lessons.learn());
        } else {
            let thread = self.thread.get_or_insert_with(|| LessonThread::start(&self.lessons));
            thread.wake();
        }
    }

    /// Waits for the result of the oldest lesson, `None` where no lesson was given.
    ///
    /// # Errors
    /// As [`Learner::learn`]; the lesson's remaining steps are left out.
    pub fn learned(&mut self) -> Result<Option<Learned>, CalibrationError> {
        match self.early.take() {
            Some(result) => result.map(Some),
            None => self.next_result().transpose(),
        }
    }

    /// Waits for the next result, if a lesson was given.
    fn next_result(&mut self) -> Option<LessonResult> {
        self.waiting = self.waiting.checked_sub(1)?;
        loop {
            match self.results.try_recv() {
                Ok(result) => return Some(result),
                // The lesson panicked, and the panic was printed.
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => help(),
            }
        }
    }
}

/// A learner and the lessons that it was given.
struct Lessons {
    learner: Mutex<Box<dyn Learner>>,
    queue: Mutex<Queue>,
}

struct Queue {
    lessons: VecDeque<Lesson>,
    /// Whether a thread is in [`Lessons::learn`].
    is_running: bool,
    /// `None` after a lesson panicked.
    results: Option<Sender<LessonResult>>,
}

impl Lessons {
    /// Learns all lessons of the queue. One thread at a time: the others would wait for the learner,
    /// and a waiting worker of a thread pool may be the one that the lesson needs.
    fn learn(&self) {
        loop {
            let lesson = {
                let mut queue = lock(&self.queue);
                let Some(lesson) = queue.lessons.pop_front() else {
                    queue.is_running = false;
                    return;
                };
                lesson
            };
            let learned =
                catch_unwind(AssertUnwindSafe(|| learn(&mut **lock(&self.learner), &lesson)));
            let mut queue = lock(&self.queue);
            let is_sent = match (learned, &queue.results) {
                (Ok(result), Some(results)) => results.send(result).is_ok(),
                _ => false,
            };
            // The refiner is dropped, or the learner has panicked.
            if !is_sent {
                queue.results = None;
                queue.lessons.clear();
            }
        }
    }
}

/// A refiner's thread, for lessons that are given outside of any thread pool.
struct LessonThread {
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LessonThread {
    fn start(lessons: &Arc<Lessons>) -> Self {
        let lessons = Arc::clone(lessons);
        let (wake, woken) = channel();
        let thread = std::thread::spawn(move || woken.iter().for_each(|()| lessons.learn()));
        Self { wake: Some(wake), thread: Some(thread) }
    }

    /// Lets the thread learn the lessons of the queue.
    fn wake(&self) {
        if let Some(wake) = &self.wake {
            // The thread ends only when this end of the channel is dropped.
            let _ = wake.send(());
        }
    }
}

impl Drop for LessonThread {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A lesson's panic was caught and printed.
            let _ = thread.join();
        }
    }
}

/// Locks `mutex`, also after a panic of another thread: no lesson is learned after a panic.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does a piece of the lessons' work, if there is one: the waiting thread may be the only worker of
/// its pool.
fn help() {
    if rayon::yield_now() != Some(Yield::Executed) {
        std::thread::sleep(PAUSE);
    }
}

/// Time between two looks for a result.
const PAUSE: Duration = Duration::from_micros(50);

/// Takes the steps of `lesson` one after the other.
pub(super) fn learn(
    learner: &mut dyn Learner,
    lesson: &Lesson,
) -> Result<Learned, CalibrationError> {
    let start = Instant::now();
    let mut errors = Vec::with_capacity(lesson.len());
    for (runs, rate) in lesson {
        let runs: Vec<&ShotRun> = runs.iter().map(|run| &**run).collect();
        errors.push(learner.learn(&runs, *rate)?);
    }
    let part = errors.len().div_ceil(10);
    let mean = |errors: &[f32]| errors.iter().sum::<f32>() / errors.len().max(1) as f32;
    Ok(Learned {
        twin: learner.twin(),
        error_before: mean(&errors[..part]),
        error_after: mean(&errors[errors.len() - part..]),
        seconds: start.elapsed().as_secs_f64(),
    })
}
