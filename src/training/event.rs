//! Events of trainings and experiments, and their observers.

use std::ops::ControlFlow;
use std::path::Path;

use twinprop_calibration::Fidelity;
use twinprop_calibration::state::State;

use super::{EpochMetrics, Evaluation, Optimiser, RefinementState, TrainingProgress, TwinCourse};
use crate::Error;
use crate::network::{Laboratory, Network, ShotWatch};

/// Something that happened in a training or an experiment.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A longer piece of work begins: data are read, shots are measured, a twin is fitted.
    WorkBegins(Work<'a>),
    /// Some of the work that began last is done.
    WorkAdvances {
        /// Steps done.
        done: usize,
        /// Progress in words; may be empty.
        message: &'a str,
    },
    /// The work that began last has ended.
    WorkEnds(WorkOutcome<'a>),
    /// A line for the user.
    Notice(&'a str),
    /// A line about something odd in the input; the same file may cause it several times.
    Warning(&'a str),
    /// A twin has been calibrated and judged.
    Calibrated(TwinJudged<'a>),
    /// A run has its folder; nothing has been played yet.
    RunBegins {
        /// The run's folder.
        folder: &'a Path,
    },
    /// A training begins or is resumed.
    TrainingBegins(TrainingBegins<'a>),
    /// A training step is done.
    Step(StepDone<'a>),
    /// The refined twins before the first step.
    Twins(&'a [TwinCourse]),
    /// The network has been tested after an epoch; the epoch's metrics follow.
    Tested(&'a Evaluation),
    /// An epoch is over.
    Epoch(&'a EpochMetrics),
    /// Everything that a later process needs to resume the training.
    Checkpoint(Snapshot<'a>),
    /// The training has ended, by itself or because an observer stopped it.
    TrainingEnds(WorkOutcome<'a>),
    /// Results are complete in a folder.
    Finished {
        /// Their kind.
        results: Results,
        /// The folder.
        folder: &'a Path,
    },
    /// An event of one of several parallel jobs.
    Job {
        /// Name of the job.
        name: &'a str,
        /// Its event.
        event: &'a Event<'a>,
    },
}

/// A longer piece of work.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Its name.
    pub label: &'a str,
    /// Its size.
    pub size: WorkSize<'a>,
}

/// Size of a piece of work.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum WorkSize<'a> {
    /// Unknown until it is done.
    Unknown,
    /// So many steps, which [`Event::WorkAdvances`] counts.
    Steps(usize),
    /// So many shots.
    Shots {
        /// Number of shots.
        total: usize,
        /// Counts the shots, also while a batch is played.
        watch: &'a ShotWatch,
    },
}

/// How a piece of work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkOutcome<'a> {
    /// Successfully, with a result in one line.
    Done(&'a str),
    /// Successfully, without a result.
    Quiet,
    /// It failed; the error is reported elsewhere.
    Failed,
}

/// A twin that has been calibrated and judged.
#[derive(Clone, Copy)]
pub struct TwinJudged<'a> {
    /// Name of its device.
    pub device: &'a str,
    /// Its fidelity.
    pub fidelity: &'a Fidelity,
    /// The fidelity in sentences, with what to do about it.
    pub lines: &'a [String],
    /// Whether its gradient is good enough for a training without a warning.
    pub is_usable: bool,
}

/// A training that begins or is resumed.
#[derive(Clone, Copy)]
pub struct TrainingBegins<'a> {
    /// Its name.
    pub label: &'a str,
    /// Steps of the whole training.
    pub steps: usize,
    /// Steps made before; 0 unless it is resumed.
    pub done: usize,
    /// The devices.
    pub laboratory: &'a Laboratory,
    /// The epochs before; empty unless it is resumed.
    pub history: &'a [EpochMetrics],
}

/// A step that is done.
#[derive(Clone, Copy)]
pub struct StepDone<'a> {
    /// Steps made, over all epochs.
    pub done: usize,
    /// Mean loss of its samples, before it.
    pub loss: f32,
    /// The devices after it.
    pub laboratory: &'a Laboratory,
}

/// A training between two steps.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    /// Its progress.
    pub progress: &'a TrainingProgress,
    /// The network.
    pub network: &'a Network,
    /// Its devices and their twins.
    pub laboratory: &'a Laboratory,
    /// The optimiser.
    pub optimiser: &'a dyn Optimiser,
    /// State of the refined twins.
    pub refinement: Option<&'a (State, RefinementState)>,
}

/// Kinds of results in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Results {
    /// A trained network.
    Run,
    /// Calibrated twins.
    Calibration,
    /// Rules side by side.
    Comparison,
    /// A meta-trained plasticity rule.
    MetaTraining,
    /// A network on another copy of its device.
    Transfer,
}

/// Follows a training or an experiment: a progress bar, a dashboard, a run folder, a notebook.
///
/// A closure that takes an [`Event`] is an observer:
///
/// ```
/// use std::ops::ControlFlow;
/// use twinprop::training::{Event, Observer};
///
/// let mut losses = Vec::new();
/// let mut observer = |event: &Event| {
///     if let Event::Step(step) = event {
///         losses.push(step.loss);
///     }
///     Ok(ControlFlow::Continue(()))
/// };
/// Observer::observe(&mut observer, &Event::Notice("hello")).unwrap();
/// ```
pub trait Observer: Send {
    /// Receives `event`. `Break` asks a training to stop after the present step.
    ///
    /// # Errors
    /// What the observer could not do; it ends the work.
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error>;

    /// Whether the end that it asked for at an epoch makes the run complete, as early stopping does; by default the run
    /// is interrupted, and can be resumed.
    fn completes(&self) -> bool {
        false
    }
}

impl<F: FnMut(&Event) -> Result<ControlFlow<()>, Error> + Send> Observer for F {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        self(event)
    }
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&mut self, _event: &Event) -> Result<ControlFlow<()>, Error> {
        Ok(ControlFlow::Continue(()))
    }
}

/// Several observers as one, which breaks when one of them does.
#[derive(Default)]
pub struct Observers<'a> {
    /// They receive every event in this order.
    pub all: Vec<&'a mut dyn Observer>,
}

impl Observer for Observers<'_> {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        let mut flow = ControlFlow::Continue(());
        for observer in &mut self.all {
            if observer.observe(event)?.is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }

    fn completes(&self) -> bool {
        self.all.iter().any(|observer| observer.completes())
    }
}

/// Sends `warnings` to `observer`, one by one.
///
/// # Errors
/// The observer's.
pub fn warn(observer: &mut dyn Observer, warnings: &[String]) -> Result<(), Error> {
    for warning in warnings {
        let _ = observer.observe(&Event::Warning(warning))?;
    }
    Ok(())
}
