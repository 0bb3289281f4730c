//! Charts of the trainable tensors by epoch.

use std::collections::BTreeMap;
use std::ops::Range;

use super::plot::{COLOURS, Curve, line_chart};
use crate::training::EpochMetrics;

/// Charts of the root mean square of each trainable tensor.
pub(super) fn parameter_charts(history: &[EpochMetrics]) -> Vec<String> {
    let sizes = |metrics: &EpochMetrics| Some(metrics.parameters.clone());
    tensor_charts(history, "Parameters", "root mean square", None, sizes)
}

/// Charts of the angle between the rule's and backpropagation's gradient of each tensor; empty for rules without one.
pub(super) fn angle_charts(history: &[EpochMetrics]) -> Vec<String> {
    let title = "Angle with backpropagation through the twin";
    let angles = |metrics: &EpochMetrics| Some(metrics.alignment.as_ref()?.angles.clone());
    tensor_charts(history, title, "degrees", Some(0.0..180.0), angles)
}

/// Charts of the values that `values_of` returns for an epoch, by tensor; as many curves per chart as colours.
fn tensor_charts(
    history: &[EpochMetrics],
    title: &str,
    unit: &str,
    range: Option<Range<f64>>,
    values_of: impl Fn(&EpochMetrics) -> Option<BTreeMap<String, f32>>,
) -> Vec<String> {
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for metrics in history {
        for (name, value) in values_of(metrics).unwrap_or_default() {
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
