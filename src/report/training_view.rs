//! How a training is seen while it runs: a bar or lines, or the whole terminal.

use std::sync::atomic::AtomicBool;

use twinprop_devices::rig::Monitor;

use super::{Dashboard, Progress};
use crate::errln;
use crate::network::Laboratory;
use crate::training::{EpochMetrics, TwinCourse};

/// A training as it runs.
pub enum TrainingView {
    /// A bar on a terminal, plain lines elsewhere.
    Progress(Progress, String),
    /// The whole terminal, and what is said when it is given back.
    Dashboard(Box<Dashboard>, String),
}

impl TrainingView {
    /// Of a training called `label` of `total` steps, of which `done` are made; on the whole terminal if
    /// `full`, or in plain lines where the terminal is gone by now.
    #[must_use]
    pub fn new(label: &str, total: usize, done: usize, full: bool) -> Self {
        if full {
            match Dashboard::new(label, total, done) {
                Ok(dashboard) => return Self::Dashboard(Box::new(dashboard), label.to_owned()),
                Err(error) => errln!("--tui: {error}; the training continues without it"),
            }
        }
        Self::Progress(Progress::new(label, total), String::new())
    }

    /// Hears of a step; the keys of a full view may set `stop`. Where the terminal is gone, the training
    /// continues with plain lines.
    pub fn step(
        &mut self,
        (done, loss): (usize, f32),
        laboratory: &Laboratory,
        links: &[Monitor],
        stop: &AtomicBool,
    ) {
        match self {
            Self::Progress(progress, state) => progress.set(done, state.clone()),
            Self::Dashboard(dashboard, label) => {
                if let Err(error) = dashboard.step((done, loss), laboratory, links, stop) {
                    let progress = Progress::new(label, dashboard.total());
                    *self = Self::Progress(progress, String::new());
                    errln!("--tui: {error}; the training continues without it");
                }
            }
        }
    }

    /// Hears of the epoch that ended with step `step`.
    pub fn epoch(&mut self, step: usize, metrics: &EpochMetrics) {
        match self {
            Self::Progress(_, state) => *state = in_words(metrics),
            Self::Dashboard(dashboard, _) => dashboard.epoch(step, metrics),
        }
    }

    /// The training is over; `message` says how it went.
    pub fn finish(self, message: String) {
        match self {
            Self::Progress(progress, _) => progress.finish(message),
            Self::Dashboard(dashboard, label) => {
                drop(dashboard);
                errln!("{label}: {message}");
            }
        }
    }
}

/// An epoch in words.
fn in_words(metrics: &EpochMetrics) -> String {
    let EpochMetrics { epoch, train_loss, test_accuracy, twins, .. } = metrics;
    let twins: String = twins.iter().map(twin_in_words).collect();
    format!(
        "epoch {epoch}: loss {train_loss:.3}, test accuracy {:.1} %{twins}",
        100.0 * test_accuracy
    )
}

/// A refined twin in words, behind the epoch's.
fn twin_in_words(twin: &TwinCourse) -> String {
    let TwinCourse { device, gradient_cosine, recalibration_shots, .. } = twin;
    let cosine = format!(", {device}'s twin {:.2}", gradient_cosine.value);
    match recalibration_shots {
        0 => cosine,
        shots => format!("{cosine}, calibrated anew with {shots} shots"),
    }
}
