//! A learner on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rayon::Yield;
use serde::{Deserialize, Serialize};

use crate::error::CalibrationError;
use crate::shots::Run;
use crate::state::State;
use crate::twin::{DigitalTwin, Learner};

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
    tasks: Option<Sender<Task>>,
    answers: Receiver<Answer>,
    waiting: usize,
    /// What was answered before it was asked for.
    early: Option<Result<Learned, CalibrationError>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is asked for.
enum Task {
    Learn(Lesson),
    TellState,
}

/// What it answers.
enum Answer {
    Learned(Result<Learned, CalibrationError>),
    State(State),
}

/// Where a refiner stands, for a later process.
pub struct RefinerState {
    /// What its learner is made of.
    pub learner: State,
    /// What came of the last lesson, where nobody has asked for it yet.
    pub untold: Option<Untold>,
}

/// What came of a lesson, but for the twin, which is the learner's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untold {
    /// Its errors before and after, as [`Learned`] has them, and its seconds.
    Learned(f32, f32, f64),
    /// It failed.
    Failed,
}

impl Refiner {
    /// Starts a thread for `learner`.
    #[must_use]
    pub fn new(mut learner: Box<dyn Learner>) -> Self {
        let (tasks, given) = channel::<Task>();
        let (answer, answers) = channel();
        let steady_rate = learner.steady_rate();
        let thread = std::thread::spawn(move || {
            for task in given {
                let done = match task {
                    Task::Learn(lesson) => Answer::Learned(learn(&mut *learner, &lesson)),
                    Task::TellState => Answer::State(learner.state()),
                };
                if answer.send(done).is_err() {
                    return;
                }
            }
        });
        let (tasks, thread) = (Some(tasks), Some(thread));
        Self { steady_rate, tasks, answers, waiting: 0, early: None, thread }
    }

    /// Resumes from `state`, with a new learner of the same twin.
    ///
    /// # Errors
    /// In words, where something is missing.
    pub fn resume(mut learner: Box<dyn Learner>, state: RefinerState) -> Result<Self, String> {
        learner.restore(state.learner)?;
        let early = state.untold.map(|untold| match untold {
            Untold::Learned(error_before, error_after, seconds) => {
                Ok(Learned { twin: learner.twin(), error_before, error_after, seconds })
            }
            Untold::Failed => Err(CalibrationError::RefinementDiverged { error: f32::NAN }),
        });
        let mut refiner = Self::new(learner);
        refiner.early = early;
        Ok(refiner)
    }

    /// Waits for the lesson that is under way, and says where the refiner stands then. What came of it
    /// is told when it is asked for, as if nobody had waited. At most one lesson may be under way.
    pub fn state(&mut self) -> RefinerState {
        if let Some(Answer::Learned(learned)) = self.answer_if(self.waiting > 0) {
            self.waiting -= 1;
            self.early = Some(learned);
        }
        let asked = self.tasks.as_ref().is_some_and(|tasks| tasks.send(Task::TellState).is_ok());
        let learner = match self.answer_if(asked) {
            Some(Answer::State(state)) => state,
            _ => State::new(),
        };
        let untold = self.early.as_ref().map(|learned| match learned {
            Ok(Learned { error_before, error_after, seconds, .. }) => {
                Untold::Learned(*error_before, *error_after, *seconds)
            }
            Err(_) => Untold::Failed,
        });
        RefinerState { learner, untold }
    }

    /// Adam's learning rate for lessons that have no end.
    #[must_use]
    pub fn steady_rate(&self) -> f64 {
        self.steady_rate
    }

    /// Gives a lesson and returns at once.
    pub fn give(&mut self, lesson: Lesson) {
        if let Some(tasks) = &self.tasks
            && tasks.send(Task::Learn(lesson)).is_ok()
        {
            self.waiting += 1;
        }
    }

    /// Waits for what the oldest lesson taught; nothing where none was given.
    ///
    /// # Errors
    /// As [`Learner::learn`]; the lesson's remaining steps are left out.
    pub fn learned(&mut self) -> Result<Option<Learned>, CalibrationError> {
        if let Some(learned) = self.early.take() {
            return learned.map(Some);
        }
        let asked = self.waiting > 0;
        self.waiting = self.waiting.saturating_sub(1);
        match self.answer_if(asked) {
            Some(Answer::Learned(learned)) => learned.map(Some),
            _ => Ok(None),
        }
    }

    /// Waits for the next answer, if something was `asked`.
    fn answer_if(&mut self, asked: bool) -> Option<Answer> {
        if !asked {
            return None;
        }
        loop {
            match self.answers.try_recv() {
                Ok(answer) => return Some(answer),
                // A thread that is gone has panicked, and said so.
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => help(),
            }
        }
    }
}

impl Drop for Refiner {
    fn drop(&mut self) {
        self.tasks = None;
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
