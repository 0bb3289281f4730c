//! How large the trainable tensors have become, epoch by epoch.

use super::plot::{COLOURS, Curve, line_chart};
use crate::training::EpochMetrics;

/// The root mean square of each trainable tensor over a run, as many lines to a chart as there are colours.
pub(super) fn parameter_charts(history: &[EpochMetrics]) -> Vec<String> {
    let Some(last) = history.last() else { return Vec::new() };
    let of = |name: &str| {
        let points = history.iter().filter_map(|metrics| {
            let size = metrics.parameters.get(name)?;
            Some((metrics.epoch as f64, f64::from(*size)))
        });
        points.collect()
    };
    let curves: Vec<Curve> =
        last.parameters.keys().map(|name| Curve { name, points: of(name) }).collect();
    curves
        .chunks(COLOURS.len())
        .map(|curves| line_chart("Parameters", "epoch", "root mean square", None, curves))
        .collect()
}
