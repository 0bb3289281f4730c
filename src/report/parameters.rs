//! How the trainable tensors do, epoch by epoch.

use std::collections::BTreeMap;
use std::ops::Range;

use super::plot::{COLOURS, Curve, line_chart};
use crate::training::EpochMetrics;

/// The root mean square of each trainable tensor over a run.
pub(super) fn parameter_charts(history: &[EpochMetrics]) -> Vec<String> {
    let sizes = |metrics: &EpochMetrics| Some(metrics.parameters.clone());
    tensor_charts(history, ("Parameters", "root mean square", None), sizes)
}

/// The angle between a rule's gradient of each tensor and backpropagation's, where there is one.
pub(super) fn angle_charts(history: &[EpochMetrics]) -> Vec<String> {
    let title = "Angle with backpropagation through the twin";
    let angles = |metrics: &EpochMetrics| Some(metrics.alignment.as_ref()?.angles.clone());
    tensor_charts(history, (title, "degrees", Some(0.0..180.0)), angles)
}

/// What `of` says of the tensors of an epoch, as many lines to a chart as there are colours.
fn tensor_charts(
    history: &[EpochMetrics],
    (title, unit, range): (&str, &str, Option<Range<f64>>),
    of: impl Fn(&EpochMetrics) -> Option<BTreeMap<String, f32>>,
) -> Vec<String> {
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for metrics in history {
        for (name, value) in of(metrics).unwrap_or_default() {
            lines.entry(name).or_default().push((metrics.epoch as f64, f64::from(value)));
        }
    }
    let curves: Vec<Curve> =
        lines.iter().map(|(name, points)| Curve { name, points: points.clone() }).collect();
    curves
        .chunks(COLOURS.len())
        .map(|curves| line_chart(title, "epoch", unit, range.clone(), curves))
        .collect()
}
