//! A spiking device in a report: rasters, firing rates, and the choice of its twin's slope.

use std::fmt::Write;

use nalgebra::DMatrix;
use plotters::prelude::{Circle, Color};
use twinprop_calibration::fidelity::SlopeTrial;
use twinprop_devices::{Bank, Channels};

use super::legend::{Entry, Mark};
use super::page::escape;
use super::plot::{Axes, COLOURS, Curve, draw, line_chart};

/// Number of shots whose rasters are shown.
const SHOTS: usize = 3;

/// Rasters of the first shots of `measured`, and the counts of each line as measured and as the twin predicts them, both
/// `[n_outputs × shots]` on the channels `outputs`; nothing without a raster.
pub(super) fn spike_section(
    device: &str,
    outputs: &Channels,
    measured: &DMatrix<f32>,
    predicted: &DMatrix<f32>,
    slopes: &[SlopeTrial],
) -> String {
    let Some(raster) = outputs.banks().first().filter(|bank| bank.steps.is_some()) else {
        return String::new();
    };
    let lines = raster.lines().unwrap_or(0);
    let shots = (0..measured.ncols().min(SHOTS)).map(|shot| {
        let cells: Vec<f32> = measured.column(shot).iter().take(raster.count).copied().collect();
        raster_chart(&format!("Spikes of {device}, test shot {}", shot + 1), raster, &cells)
    });
    let mean = |name, values: &DMatrix<f32>| {
        let counts = outputs.count(values);
        let lines = counts.row_iter().take(lines).enumerate();
        let points = lines.map(|(line, counts)| (line as f64, f64::from(counts.mean())));
        Curve { name, points: points.collect() }
    };
    let rates = line_chart(
        "Mean count of each line",
        "line",
        "spikes a shot",
        None,
        &[mean("measured", measured), mean("the twin's", predicted)],
    );
    format!(
        "<h3>Spikes of {}</h3>\n<div class=\"charts\">\n{}{rates}</div>\n{}",
        escape(device),
        shots.collect::<String>(),
        slope_table(slopes)
    )
}

/// A dot a spike.
fn raster_chart(title: &str, raster: &Bank, cells: &[f32]) -> String {
    let (lines, steps) = (raster.lines().unwrap_or(0).max(1), raster.steps.unwrap_or(0));
    let spikes = cells.iter().enumerate().filter(|(_, cell)| **cell > 0.5);
    let spikes: Vec<(f64, f64)> =
        spikes.map(|(cell, _)| ((cell / lines) as f64, (cell % lines) as f64)).collect();
    let axes = Axes {
        x_label: "step",
        y_label: "line",
        x_range: -1.0..steps as f64,
        y_range: -1.0..lines as f64,
    };
    let legend = [Entry { name: "a spike", colour: COLOURS[0].into(), mark: Mark::Dot }];
    draw(title, axes, &legend, |chart| {
        let dots = spikes.iter().map(|&place| Circle::new(place, 1, COLOURS[0].filled()));
        chart.draw_series(dots)?;
        Ok(())
    })
}

/// The slopes that were tried.
fn slope_table(slopes: &[SlopeTrial]) -> String {
    if slopes.is_empty() {
        return String::new();
    }
    let mut table = String::from(
        "<div class=\"scroll\"><table><caption>Slopes of the surrogate gradient that were tried: the one with the largest cosine \
         between its gradient of the counts and the measured one is used.</caption>\n<tr><th>slope</th><th>cosine</th></tr>\n",
    );
    for SlopeTrial { slope, cosine } in slopes {
        let _ = writeln!(table, "<tr><th>{slope}</th><td>{cosine:.3}</td></tr>");
    }
    table + "</table></div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinprop_calibration::Estimate;

    #[test]
    fn a_spike_is_a_dot_and_a_device_without_spikes_has_no_section() {
        let raster = Channels::raster("spike", 2, 4);
        let mut measured = DMatrix::zeros(8, 2);
        for cell in [0, 3, 6] {
            measured[(cell, 0)] = 1.0;
        }
        let trial =
            SlopeTrial { slope: 10.0, cosine: Estimate { value: 0.92, low: 0.9, high: 0.94 } };
        let html = spike_section("chip", &raster, &measured, &measured, &[trial]);
        let chart = &html[..html.find("test shot 2").unwrap()];
        // One more in the legend.
        assert_eq!(chart.matches("<circle").count(), 4);
        assert!(html.contains("<th>10</th><td>0.920 (0.900 to 0.940)"), "{html}");
        let plain = Channels::bank("y", 8, "V", 0.0, 1.0);
        assert_eq!(spike_section("chip", &plain, &measured, &measured, &[]), "");
    }
}
