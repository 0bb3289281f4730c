//! The observer at the terminal.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Progress, TrainingView, tell};
use crate::Error;
use crate::report::for_command_line;
use crate::training::{Event, Observer, TwinJudged, WorkOutcome};

/// Shows events on standard error: a bar or lines for the current work, and notices at once.
pub struct Console {
    /// Set by Ctrl-C: asks the training to stop.
    stop: Arc<AtomicBool>,
    /// Whether a training takes the whole terminal.
    full: bool,
    work: Option<Progress>,
    training: Option<TrainingView>,
    /// Warnings that have been shown.
    warned: BTreeSet<String>,
}

impl Console {
    /// A console that asks trainings to stop when `stop` is set.
    #[must_use]
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self { stop, full: false, work: None, training: None, warned: BTreeSet::new() }
    }

    /// This console, with trainings on the whole terminal if `full`.
    #[must_use]
    pub fn on_whole_terminal(self, full: bool) -> Self {
        Self { full, ..self }
    }

    /// Shows a warning once, also if several jobs give it.
    fn warn(&mut self, warning: &str) {
        if self.warned.insert(warning.to_owned()) {
            tell(&format!("warning: {}", for_command_line(warning)));
        }
    }

    /// Shows an event of one of several parallel jobs, which share one bar.
    fn job(&mut self, name: &str, event: &Event) {
        match event {
            Event::Notice(line) => tell(&format!("{name}: {}", for_command_line(line))),
            Event::Warning(warning) => self.warn(warning),
            Event::Calibrated(twin) => tell(&format!("{name}: {}", verdict_line(twin))),
            Event::Job { name: inner, event } => self.job(&format!("{name}, {inner}"), event),
            _ => {}
        }
    }
}

/// A twin's verdict in one line, for one job of several.
fn verdict_line(TwinJudged { device, fidelity, lines, .. }: &TwinJudged) -> String {
    let words = lines.first().map_or("", String::as_str);
    let words = words.split_once(": ").map_or(words, |(_, words)| words);
    let verdict = words.split(['.', ':']).next().unwrap_or_default();
    format!("twin of {device}: {verdict}, gradient cosine {:.2}", fidelity.gradient.cosine)
}

impl Observer for Console {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        match event {
            Event::WorkBegins(work) => self.work = Some(Progress::of(work)),
            Event::WorkAdvances { done, message } => {
                if let Some(work) = &mut self.work {
                    work.set(*done, for_command_line(message));
                }
            }
            Event::WorkEnds(outcome) => match (self.work.take(), outcome) {
                (Some(work), WorkOutcome::Done(result)) => work.finish(&for_command_line(result)),
                (Some(work), WorkOutcome::Quiet) => work.finish_quietly(),
                _ => {}
            },
            Event::Notice(line) => tell(&for_command_line(line)),
            Event::Warning(warning) => self.warn(warning),
            Event::Calibrated(twin) => {
                twin.lines.iter().for_each(|line| tell(&for_command_line(line)));
            }
            Event::TrainingBegins(begins) => {
                self.training = Some(TrainingView::new(begins, self.full));
            }
            Event::Step(step) => {
                if let Some(training) = &mut self.training {
                    training.step(step, &self.stop);
                }
            }
            Event::Twins(twins) => {
                if let Some(training) = &mut self.training {
                    training.twins(twins);
                }
            }
            Event::Epoch(metrics) => {
                if let Some(training) = &mut self.training {
                    training.epoch(metrics);
                }
            }
            Event::TrainingEnds(outcome) => match (self.training.take(), outcome) {
                (Some(training), WorkOutcome::Done(result)) => training.finish(result),
                (training, _) => drop(training),
            },
            Event::Job { name, event } => self.job(name, event),
            _ => {}
        }
        Ok(if self.stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}
