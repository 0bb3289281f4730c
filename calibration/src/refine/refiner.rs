//! A learner on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rayon::Yield;

use super::Learner;
use crate::error::CalibrationError;
use crate::shots::Run;
use crate::twin::DigitalTwin;

/// Steps that are taken together: the runs of each, and its learning rate.
pub type Lesson = Vec<(Vec<Arc<Run>>, f64)>;

/// What a lesson taught.
pub struct Learned {
    /// The twin after it.
    pub twin: Box<dyn DigitalTwin>,
    /// Mean squared error before each of its steps, averaged over the first tenth of them, in units of
    /// each channel's variance.
    pub error_before: f32,
    /// The same of the last tenth.
    pub error_after: f32,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Learns beside whatever its owner does. Lessons are learned one after the other, and
/// [`learned`](Self::learned) answers in their order: what comes of them does not depend on how fast
/// they are.
pub struct Refiner {
    steady_rate: f64,
    lessons: Option<Sender<Lesson>>,
    answers: Receiver<Result<Learned, CalibrationError>>,
    waiting: usize,
    thread: Option<JoinHandle<()>>,
}

impl Refiner {
    /// Starts a thread for `learner`.
    #[must_use]
    pub fn new(mut learner: Box<dyn Learner>) -> Self {
        let (lessons, given) = channel::<Lesson>();
        let (answer, answers) = channel();
        let steady_rate = learner.steady_rate();
        let thread = std::thread::spawn(move || {
            for lesson in given {
                if answer.send(learn(&mut *learner, &lesson)).is_err() {
                    return;
                }
            }
        });
        Self { steady_rate, lessons: Some(lessons), answers, waiting: 0, thread: Some(thread) }
    }

    /// Adam's learning rate for lessons that have no end.
    #[must_use]
    pub fn steady_rate(&self) -> f64 {
        self.steady_rate
    }

    /// Gives a lesson and returns at once.
    pub fn give(&mut self, lesson: Lesson) {
        if let Some(lessons) = &self.lessons
            && lessons.send(lesson).is_ok()
        {
            self.waiting += 1;
        }
    }

    /// Waits for what the oldest lesson taught; nothing where none was given.
    ///
    /// # Errors
    /// As [`Learner::learn`]; the lesson's remaining steps are left out.
    pub fn learned(&mut self) -> Result<Option<Learned>, CalibrationError> {
        if self.waiting == 0 {
            return Ok(None);
        }
        self.waiting -= 1;
        loop {
            match self.answers.try_recv() {
                Ok(answer) => return answer.map(Some),
                // A thread that is gone has panicked, and said so.
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => help(),
            }
        }
    }
}

impl Drop for Refiner {
    fn drop(&mut self) {
        self.lessons = None;
        if let Some(thread) = self.thread.take() {
            // Its panic, if it had one, is printed already.
            let _ = thread.join();
        }
    }
}

/// Takes a piece of the work that the lessons share out, if there is one: whoever waits may be the only
/// worker of the pool.
fn help() {
    if rayon::yield_now() != Some(Yield::Executed) {
        std::thread::sleep(PAUSE);
    }
}

/// Time between two looks for an answer.
const PAUSE: Duration = Duration::from_micros(50);

/// Takes the steps of `lesson` one after the other.
pub(super) fn learn(
    learner: &mut dyn Learner,
    lesson: &Lesson,
) -> Result<Learned, CalibrationError> {
    let start = Instant::now();
    let mut errors = Vec::with_capacity(lesson.len());
    for (runs, rate) in lesson {
        let runs: Vec<&Run> = runs.iter().map(|run| &**run).collect();
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
