//! A twin's section of a report: how far to trust the twin, and where not.

use std::fmt::Write;

use nalgebra::DMatrix;
use twinprop_calibration::fidelity::{Readings, SECTIONS, SlopeTrial};
use twinprop_calibration::{Estimate, Fidelity};
use twinprop_devices::Channels;

use super::page::escape;
use super::plot::{Curve, line_chart, scatter_chart, tick};
use super::spike_charts::spike_section;
use crate::experiment::calibration::InsideSummary;
use crate::experiment::fidelity_words::in_a_sentence;

/// Number of readings in the scatter charts.
const SCATTER_POINTS: usize = 1500;

/// A twin beside its device.
pub struct TwinSection<'a> {
    /// Name of the device.
    pub device: &'a str,
    /// The twin's fidelity.
    pub fidelity: &'a Fidelity,
    /// Measured readings of shots that the twin was not fitted to, `[n_outputs × shots]`.
    pub measured: &'a DMatrix<f32>,
    /// The twin's readings of the same shots, `[n_outputs × shots]`.
    pub predicted: &'a DMatrix<f32>,
    /// The device's output channels.
    pub outputs: &'a Channels,
    /// What the twin predicts about places that no channel reads.
    pub inside: &'a [InsideSummary],
    /// Slopes of a surrogate gradient that were tried.
    pub slopes: &'a [SlopeTrial],
}

impl TwinSection<'_> {
    pub(super) fn to_html(&self) -> String {
        format!(
            "<h2>Twin of {}</h2>\n<p>{} Intervals are 99 % confidence intervals.</p>\n{}<div class=\"charts\">\n{}{}{}{}</div>\n{}{}",
            escape(self.device),
            escape(&in_a_sentence(self.fidelity)),
            self.gradients(),
            self.scatter(),
            self.residuals(),
            self.channels(),
            self.ranges(),
            self.weaknesses(),
            spike_section(self.device, self.outputs, self.measured, self.predicted, self.slopes)
                + &self.inside()
        )
    }

    fn gradients(&self) -> String {
        let Fidelity { gradient, by_group, .. } = self.fidelity;
        let mut table = String::from(
            "<div class=\"scroll\"><table><caption>The twin's gradient against central differences of the device, each channel in \
             units of its range.</caption>\n<tr><th>by</th><th>cosine</th><th>length</th><th>step, share of the range</th></tr>\n",
        );
        let mut row = |name: &str, cosine: Estimate, length: Estimate, step: String| {
            let _ = writeln!(
                table,
                "<tr><th>{}</th><td>{cosine:.3}</td><td>{length:.3}</td><td>{step}</td></tr>",
                escape(name)
            );
        };
        for group in by_group {
            let found = &group.gradient;
            row(&group.group, found.cosine, found.length, format!("{:.3}", group.step));
        }
        row("all", gradient.cosine, gradient.length, String::new());
        table + "</table></div>\n"
    }

    /// A sample of (measured, predicted) readings from all channels; of rasters, of counts.
    fn some_readings(&self) -> Vec<(f64, f64)> {
        let [measured, predicted] =
            [self.measured, self.predicted].map(|readings| self.outputs.count(readings));
        let channels = measured.nrows();
        let stride = (measured.len() / SCATTER_POINTS).max(1);
        // A stride that shares no factor with the channels visits all of them.
        let stride = (stride..).find(|stride| gcd(*stride, channels) == 1).unwrap_or(1);
        let readings = measured.iter().zip(predicted.iter()).step_by(stride);
        readings.map(|(&measured, &twin)| (f64::from(measured), f64::from(twin))).collect()
    }

    fn unit(&self) -> &str {
        self.outputs.banks().first().map_or("", |bank| bank.unit.as_str())
    }

    fn scatter(&self) -> String {
        let unit = self.unit();
        scatter_chart(
            "Twin against device",
            &format!("measured ({unit})"),
            &format!("predicted ({unit})"),
            Some("twin = device"),
            &self.some_readings(),
        )
    }

    fn residuals(&self) -> String {
        let unit = self.unit();
        let points: Vec<(f64, f64)> = self
            .some_readings()
            .into_iter()
            .map(|(measured, predicted)| (predicted, measured - predicted))
            .collect();
        scatter_chart(
            "Residuals",
            &format!("predicted ({unit})"),
            &format!("measured − predicted ({unit})"),
            None,
            &points,
        )
    }

    fn channels(&self) -> String {
        let by_channel = |name, value: &dyn Fn(&Readings) -> f32| Curve {
            name,
            points: self
                .fidelity
                .by_channel
                .iter()
                .enumerate()
                .filter(|(_, readings)| readings.nrmse.is_known())
                .map(|(channel, readings)| (channel as f64, f64::from(value(readings))))
                .collect(),
        };
        line_chart(
            "Error by output channel",
            "output channel",
            "share of the channel's deviation",
            None,
            &[
                by_channel("the twin's NRMSE", &|readings| readings.nrmse.value),
                by_channel("the device's noise", &|readings| readings.noise_floor),
            ],
        )
    }

    fn ranges(&self) -> String {
        let curve = |name, errors: &[f32; SECTIONS]| Curve {
            name,
            points: errors
                .iter()
                .enumerate()
                .map(|(part, &error)| ((part as f64 + 0.5) / SECTIONS as f64, f64::from(error)))
                .collect(),
        };
        let by_range = &self.fidelity.by_range;
        line_chart(
            "Error by position of the drive in its range",
            "position in the range",
            "NRMSE, mean over channels",
            None,
            &[curve("an input", &by_range.inputs), curve("a parameter", &by_range.parameters)],
        )
    }

    fn weaknesses(&self) -> String {
        let weak = &self.fidelity.by_range.weak;
        if weak.is_empty() {
            return String::new();
        }
        let mut table = String::from(
            "<div class=\"scroll\"><table><caption>Ranges in which the twin is significantly worse than elsewhere.</caption>\n\
             <tr><th>channel</th><th>from</th><th>to</th><th>NRMSE</th></tr>\n",
        );
        for place in weak {
            let [from, to] = [place.from, place.to].map(f64::from);
            let _ = writeln!(
                table,
                "<tr><th>{}</th><td>{}</td><td>{}</td><td>{:.3}</td></tr>",
                escape(&place.channel),
                tick(from, to - from),
                tick(to, to - from),
                place.nrmse
            );
        }
        table + "</table></div>\n"
    }
}

impl TwinSection<'_> {
    /// What the twin predicts about places inside the device: a chart a quantity.
    fn inside(&self) -> String {
        if self.inside.is_empty() {
            return String::new();
        }
        let of_place = |name, values: &[f32]| {
            let points = values.iter().enumerate();
            let points = points.map(|(place, &value)| (place as f64, f64::from(value)));
            Curve { name, points: points.collect() }
        };
        let charts: String = self
            .inside
            .iter()
            .map(|InsideSummary { name, unit, mean, deviation }| {
                let curves = [of_place("mean", mean), of_place("standard deviation", deviation)];
                let title = format!("Predicted {name}");
                line_chart(&title, "place", &format!("over the test shots ({unit})"), None, &curves)
            })
            .collect();
        format!(
            "<h3>Inside {}, as the twin predicts it</h3>\n<p>No channel reads these places: nothing here is measured.</p>\n<div class=\"charts\">\n{charts}</div>\n",
            escape(self.device)
        )
    }
}

fn gcd(left: usize, right: usize) -> usize {
    if right == 0 { left } else { gcd(right, left % right) }
}
