//! Where windows begin, and what stands in them.

use std::ops::Range;

use nalgebra::DMatrix;

use super::super::{Feature, FeatureScaling, SequenceConfig, SequenceTarget};
use super::series::Series;

/// Windows of one series by the times at which they begin.
pub(super) struct Windows<'a> {
    pub config: &'a SequenceConfig,
    pub series: &'a Series,
    /// Where each begins.
    pub starts: Vec<usize>,
}

impl<'a> Windows<'a> {
    /// All windows within `times`; with `answered`, those of them with their answered times within `times` too.
    pub fn within(
        config: &'a SequenceConfig,
        series: &'a Series,
        times: Range<usize>,
        answered: bool,
    ) -> Self {
        let starts = times.clone().step_by(config.stride);
        let starts = starts.take_while(|start| start + config.window <= times.end);
        let is_answered = |start: &usize| {
            let lasts = i128::from(config.ahead) + *start as i128;
            let (first, last) = match config.target {
                SequenceTarget::End => (config.window - 1, config.window - 1),
                SequenceTarget::Window => (0, config.window - 1),
            };
            lasts + first as i128 >= times.start as i128
                && lasts + (last as i128) < times.end as i128
        };
        let starts = starts.filter(|start| !answered || is_answered(start)).collect();
        Self { config, series, starts }
    }

    /// The windows at the places `chosen`.
    pub fn choose(&self, chosen: &[usize]) -> Self {
        let starts = chosen.iter().map(|&window| self.starts[window]).collect();
        Self { config: self.config, series: self.series, starts }
    }

    /// Times of a window that are answered, from its beginning.
    fn answered(&self) -> Range<usize> {
        match self.config.target {
            SequenceTarget::End => self.config.window - 1..self.config.window,
            SequenceTarget::Window => 0..self.config.window,
        }
    }

    /// The time that a window which begins at `start` answers with its time `step`. Windows that are answered have it
    /// within the series.
    fn answer_time(&self, start: usize, step: usize) -> usize {
        (start + step).checked_add_signed(self.config.ahead as isize).unwrap_or_default()
    }

    /// The last time of each.
    pub fn ends(&self) -> impl Iterator<Item = usize> {
        self.starts.iter().map(|start| start + self.config.window - 1)
    }

    /// The time of the class of each.
    pub fn class_times(&self) -> impl Iterator<Item = usize> {
        self.starts.iter().map(|&start| self.answer_time(start, self.config.window - 1))
    }

    /// Whether some times are in several windows.
    pub fn overlap(&self) -> bool {
        self.config.stride < self.config.window
    }

    /// Names and scaling of the features of these windows, which are the training's: an input has one scaling at all
    /// times.
    pub fn features(&self) -> Vec<Feature> {
        let seen = self.times(|start| start..start + self.config.window);
        self.per_step(&self.config.inputs, 0..self.config.window, |values| {
            FeatureScaling::of(seen.iter().map(|&time| values[time]))
        })
    }

    /// Names and scaling of the targets of these windows, which are the training's: a target has one scaling at all
    /// times, by each answered time once.
    pub fn targets(&self) -> Vec<Feature> {
        let seen = self.answer_times();
        self.per_step(&self.config.targets, self.answered(), |values| {
            FeatureScaling::standard(seen.iter().map(|&time| values[time]))
        })
    }

    /// Names of the targets that are the same at all times that are answered.
    pub fn constant_targets(&self) -> Vec<&'a str> {
        let times = self.answer_times();
        let is_constant = |name: &&String| {
            let values = self.series.column(name).unwrap_or_default();
            times.iter().all(|&time| values[time] == values[times[0]])
        };
        self.config.targets.iter().filter(is_constant).map(String::as_str).collect()
    }

    /// The times that are answered.
    fn answer_times(&self) -> Vec<usize> {
        let Range { start: first, end } = self.answered();
        self.times(|start| self.answer_time(start, first)..self.answer_time(start, end - 1) + 1)
    }

    /// The column's name and scaling for each of its steps.
    fn per_step(
        &self,
        names: &[String],
        steps: Range<usize>,
        scaling: impl Fn(&[f64]) -> FeatureScaling,
    ) -> Vec<Feature> {
        let mut all = Vec::with_capacity(names.len() * steps.len());
        for name in names {
            let scaling = scaling(self.series.column(name).unwrap_or_default());
            all.extend(steps.clone().map(|step| {
                let name =
                    if steps.len() == 1 { name.clone() } else { format!("{name} at {step}") };
                Feature { name, scaling }
            }));
        }
        all
    }

    /// The times that the windows' `ranges` cover, each once, in their order.
    fn times(&self, ranges: impl Fn(usize) -> Range<usize>) -> Vec<usize> {
        let mut is_covered = vec![false; self.series.times];
        for &start in &self.starts {
            is_covered[ranges(start)].fill(true);
        }
        (0..self.series.times).filter(|&time| is_covered[time]).collect()
    }

    /// The inputs in each window, `[inputs · window × windows]`, input by input, each in the order of time.
    pub fn seen(&self, features: &[Feature]) -> DMatrix<f32> {
        self.matrix(&self.config.inputs, 0..self.config.window, features, |start, step| {
            start + step
        })
    }

    /// The targets of each window, target by target, each in the order of time.
    pub fn wanted(&self, targets: &[Feature]) -> DMatrix<f32> {
        self.matrix(&self.config.targets, self.answered(), targets, |start, step| {
            self.answer_time(start, step)
        })
    }

    fn matrix(
        &self,
        names: &[String],
        steps: Range<usize>,
        scaled: &[Feature],
        time: impl Fn(usize, usize) -> usize,
    ) -> DMatrix<f32> {
        let columns: Vec<&[f64]> =
            names.iter().map(|name| self.series.column(name).unwrap_or_default()).collect();
        let mut all = DMatrix::zeros(columns.len() * steps.len(), self.starts.len());
        for (&start, mut window) in self.starts.iter().zip(all.column_iter_mut()) {
            let places =
                columns.iter().flat_map(|values| steps.clone().map(move |step| (values, step)));
            for ((value, feature), (values, step)) in window.iter_mut().zip(scaled).zip(places) {
                *value = feature.scaling.apply(values[time(start, step)]);
            }
        }
        all
    }
}
