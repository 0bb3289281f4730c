//! The view of a running training: a bar or lines, or the whole terminal.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use twinprop_devices::rig::Monitor;

use super::{Dashboard, Progress, tell};
use crate::errln;
use crate::experiment::troubles::restarts;
use crate::training::{EpochMetrics, StepDone, TrainingBegins, TwinCourse};

/// The view of a running training.
pub struct TrainingView {
    label: String,
    /// Steps of the whole training, and those that are done.
    steps: usize,
    done: usize,
    view: View,
    /// The real devices' links, and the last report on each.
    links: Vec<(Monitor, String)>,
    /// The last epoch in words.
    state: String,
    /// Recalibrations of each device's twin so far, and their shots.
    recalibrations: BTreeMap<String, (usize, usize)>,
}

enum View {
    /// A bar on a terminal, plain lines elsewhere.
    Progress(Progress),
    /// The whole terminal.
    Dashboard(Box<Dashboard>),
}

impl TrainingView {
    /// View of a training that `begins`: on the whole terminal if `full` and if it is one, otherwise a bar or lines.
    #[must_use]
    pub fn new(begins: &TrainingBegins, full: bool) -> Self {
        let &TrainingBegins { label, steps, done, laboratory, history } = begins;
        let view = match full.then(|| Dashboard::new(begins)) {
            Some(Ok(dashboard)) => View::Dashboard(Box::new(dashboard)),
            failed => {
                if let Some(Err(error)) = failed {
                    errln!("--tui: {error}; the training continues without it");
                }
                let mut progress = Progress::new(label, steps);
                progress.set(done, String::new());
                View::Progress(progress)
            }
        };
        let links =
            laboratory.links().map(|link| (link.clone(), restarts(&link.counts()))).collect();
        let mut training = Self {
            label: label.to_owned(),
            steps,
            done,
            view,
            links,
            state: String::new(),
            recalibrations: BTreeMap::new(),
        };
        for metrics in history {
            training.epoch_of_step(done * metrics.epoch / history.len(), metrics);
        }
        training
    }

    /// Shows a step; keys in the dashboard may set `stop`. If the terminal is closed, the training continues with
    /// plain lines.
    pub fn step(&mut self, step: &StepDone, stop: &AtomicBool) {
        let &StepDone { done, laboratory, .. } = step;
        self.done = done;
        let mut changed = false;
        for (link, report) in &mut self.links {
            let now = restarts(&link.counts());
            changed |= now != *report;
            *report = now;
        }
        match &mut self.view {
            View::Progress(progress) => {
                let shots = laboratory.shots();
                let shots = if shots > 0 { format!("{shots} shots") } else { String::new() };
                let links = self.links.iter().filter(|(_, report)| !report.is_empty());
                let links = links.map(|(link, report)| format!("{}: {report}", link.target()));
                let parts = std::iter::once(shots).chain([self.state.clone()]).chain(links);
                let parts: Vec<String> = parts.filter(|words| !words.is_empty()).collect();
                progress.set(done, parts.join(", "));
                // A link's restart is reported at once, at most once a step.
                for (link, report) in self.links.iter().filter(|_| changed) {
                    if !report.is_empty() {
                        tell(&format!("{}: {report}", link.target()));
                    }
                }
            }
            View::Dashboard(dashboard) => {
                if let Err(error) = dashboard.step(step, stop) {
                    let progress = Progress::new(&self.label, self.steps);
                    self.view = View::Progress(progress);
                    errln!("--tui: {error}; the training continues without it");
                }
            }
        }
    }

    /// Counts the recalibrations of `twins` before the first step.
    pub fn twins(&mut self, twins: &[TwinCourse]) {
        for twin in twins.iter().filter(|twin| twin.recalibration_shots > 0) {
            let (times, shots) = self.recalibrations.entry(twin.device.clone()).or_default();
            *times += 1;
            *shots += twin.recalibration_shots;
        }
    }

    /// Shows the epoch that ended with the last step.
    pub fn epoch(&mut self, metrics: &EpochMetrics) {
        self.epoch_of_step(self.done, metrics);
    }

    fn epoch_of_step(&mut self, step: usize, metrics: &EpochMetrics) {
        self.twins(&metrics.twins);
        self.state = self.in_words(metrics);
        if let View::Dashboard(dashboard) = &mut self.view {
            dashboard.epoch(step, metrics);
        }
    }

    /// Ends the view of a completed training; `message` is its result.
    pub fn finish(self, message: &str) {
        match self.view {
            View::Progress(progress) => progress.finish(message),
            View::Dashboard(dashboard) => {
                drop(dashboard);
                errln!("{}: {message}", self.label);
            }
        }
    }

    /// An epoch in words, with the recalibrations so far.
    fn in_words(&self, metrics: &EpochMetrics) -> String {
        let EpochMetrics { epoch, train_loss, test, twins, .. } = metrics;
        let twins: String = twins
            .iter()
            .map(|TwinCourse { device, gradient_cosine, .. }| {
                let cosine = format!(", {device}'s twin {:.2}", gradient_cosine.value);
                match self.recalibrations.get(device) {
                    None => cosine,
                    Some((times, shots)) => {
                        format!("{cosine}, recalibrated {times} times with {shots} shots")
                    }
                }
            })
            .collect();
        format!("epoch {epoch}: loss {train_loss:.3}, {test}{twins}")
    }
}
