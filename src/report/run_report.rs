//! `report.html`: a run on one page.

use std::fmt::Write;

use nalgebra::DMatrix;
use twinprop_calibration::Fidelity;
use twinprop_devices::Channels;

use super::page::{escape, facts, page, thousands};
use super::plot::{Curve, line_chart, scatter_chart};
use crate::experiment::Summary;
use crate::training::EpochMetrics;

/// Readings shown in the scatter of twin against device.
const SCATTER_POINTS: usize = 1500;

/// Everything the page shows.
pub struct RunReport<'a> {
    /// Name of the experiment.
    pub title: &'a str,
    /// The run in numbers.
    pub summary: &'a Summary,
    /// Its epochs.
    pub history: &'a [EpochMetrics],
    /// Its fitted twins.
    pub twins: &'a [TwinSection<'a>],
    /// Names of the classes.
    pub classes: &'a [String],
    /// True class of each test sample.
    pub labels: &'a [usize],
    /// The device's answer to each.
    pub predicted: &'a [usize],
    /// The resolved recipe.
    pub recipe: &'a str,
}

/// A fitted twin beside its device.
pub struct TwinSection<'a> {
    /// Name of the device.
    pub device: &'a str,
    /// The twin's fidelity.
    pub fidelity: &'a Fidelity,
    /// Measured readings of shots that the twin never saw, `[n_outputs × shots]`.
    pub measured: &'a DMatrix<f32>,
    /// The twin's readings of the same shots.
    pub predicted: &'a DMatrix<f32>,
    /// The device's output channels.
    pub outputs: &'a Channels,
}

impl RunReport<'_> {
    /// The page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut body = self.facts();
        body += "<h2>Training</h2>\n<div class=\"charts\">\n";
        body += &self.learning_curves();
        body += "</div>\n";
        for twin in self.twins {
            body += &twin.to_html();
        }
        body += &self.confusion();
        body += &self.rigs();
        let _ = writeln!(body, "<h2>Recipe</h2>\n<pre>{}</pre>", escape(self.recipe));
        page(self.title, &body)
    }

    fn facts(&self) -> String {
        let summary = self.summary;
        let percent = |share: f32| format!("{:.1} %", 100.0 * share);
        facts(&[
            ("Rule", summary.rule.to_string()),
            ("Test accuracy on the device", percent(summary.test_accuracy)),
            ("Best of any epoch", percent(summary.best_test_accuracy)),
            ("Seed", summary.seed.to_string()),
            ("Epochs", summary.epochs.to_string()),
            ("Run time", format!("{:.1} s", summary.seconds)),
            ("Device shots", thousands(summary.device_shots)),
            ("Time on the device", format!("{:.0} s", summary.device_seconds)),
            ("Values clamped", thousands(summary.clamped)),
            ("Backend", summary.backend.to_string()),
        ])
    }

    fn learning_curves(&self) -> String {
        let curve = |name, value: fn(&EpochMetrics) -> f32| Curve {
            name,
            points: self
                .history
                .iter()
                .map(|metrics| (metrics.epoch as f64, f64::from(value(metrics))))
                .collect(),
        };
        let forward = match self.summary.rule {
            crate::Rule::InSilico => "training (twin)",
            _ => "training (device)",
        };
        line_chart(
            "Accuracy",
            "epoch",
            "accuracy (%)",
            Some(0.0..100.0),
            &[
                curve(forward, |metrics| 100.0 * metrics.train_accuracy),
                curve("test (device)", |metrics| 100.0 * metrics.test_accuracy),
            ],
        ) + &line_chart(
            "Cross-entropy",
            "epoch",
            "loss (nats)",
            None,
            &[
                curve(forward, |metrics| metrics.train_loss),
                curve("test (device)", |metrics| metrics.test_loss),
            ],
        )
    }

    /// The real devices: which measured what, and how their links were.
    fn rigs(&self) -> String {
        let links = &self.summary.links;
        if links.is_empty() {
            return String::new();
        }
        let mut table = String::from(
            "<h2>Rigs</h2>\n<div class=\"scroll\"><table>\n<tr><th>rig</th><th>serial number</th><th>shots</th>\
             <th>frames sent</th><th>sent again</th><th>damaged</th><th>reconnects</th><th>restarts</th><th>state</th></tr>\n",
        );
        for link in links {
            let counts = &link.counts;
            let state = link.failure.as_deref().unwrap_or("works");
            let _ = write!(
                table,
                "<tr><th>{}<br>{}</th><td>{}</td>",
                escape(&link.name),
                escape(&link.target),
                escape(&link.serial_number)
            );
            for number in [
                link.shots,
                counts.frames_sent,
                counts.frames_repeated,
                counts.frames_damaged,
                counts.reconnects,
                counts.restarts,
            ] {
                let _ = write!(table, "<td>{}</td>", thousands(number));
            }
            let _ = writeln!(table, "<td>{}</td></tr>", escape(state));
        }
        table + "</table></div>\n"
    }

    fn confusion(&self) -> String {
        let classes = self.classes.len();
        let mut counts = vec![0usize; classes * classes];
        for (&label, &answer) in self.labels.iter().zip(self.predicted) {
            counts[label * classes + answer] += 1;
        }
        let mut table = String::from(
            "<h2>Confusion matrix</h2>\n<div class=\"scroll\"><table><caption>Test samples on the device: \
             a row is the true class, a column the device's answer, a cell the number of samples.</caption>\n<tr><th>true \\ answer</th>",
        );
        for class in self.classes {
            let _ = write!(table, "<th>{}</th>", escape(class));
        }
        table += "<th>recall</th></tr>\n";
        for (class, row) in self.classes.iter().zip(counts.chunks(classes)) {
            let total: usize = row.iter().sum();
            let _ = write!(table, "<tr><th>{}</th>", escape(class));
            for &count in row {
                let share = count as f32 / total.max(1) as f32;
                let _ = write!(
                    table,
                    "<td style=\"background:rgba(0,114,178,{share:.2})\">{}</td>",
                    if count == 0 { String::new() } else { count.to_string() }
                );
            }
            let right = row[self.classes.iter().position(|name| name == class).unwrap_or(0)];
            let _ = writeln!(
                table,
                "<td>{:.0} %</td></tr>",
                100.0 * right as f32 / total.max(1) as f32
            );
        }
        table + "</table></div>\n"
    }
}

impl TwinSection<'_> {
    fn to_html(&self) -> String {
        let Fidelity { r2, nrmse, gradient_cosine, .. } = self.fidelity;
        let channels = self.measured.nrows();
        let stride = (self.measured.len() / SCATTER_POINTS).max(1);
        // A stride that shares no factor with the channels visits all of them.
        let stride = (stride..).find(|stride| gcd(*stride, channels) == 1).unwrap_or(1);
        let points: Vec<(f64, f64)> = self
            .measured
            .iter()
            .zip(self.predicted.iter())
            .step_by(stride)
            .map(|(&measured, &predicted)| (f64::from(measured), f64::from(predicted)))
            .collect();
        let unit = self.outputs.banks().first().map_or("", |bank| bank.unit.as_str());
        let by_channel = |name, values: &[f32]| Curve {
            name,
            points: values
                .iter()
                .enumerate()
                .map(|(channel, &value)| (channel as f64, f64::from(value)))
                .collect(),
        };
        format!(
            "<h2>Twin of {}</h2>\n<p>On shots that it never saw: R² {r2:.4}, normalised RMSE {nrmse:.4}; \
             cosine between its gradient and the device's {gradient_cosine:.4}.</p>\n<div class=\"charts\">\n{}{}</div>\n",
            escape(self.device),
            scatter_chart(
                "Twin against device",
                &format!("measured ({unit})"),
                &format!("predicted ({unit})"),
                &points
            ),
            line_chart(
                "Fidelity by output channel",
                "output channel",
                "share of the channel's deviation",
                None,
                &[
                    by_channel("R²", &self.fidelity.r2_by_channel),
                    by_channel("normalised RMSE", &self.fidelity.nrmse_by_channel),
                ]
            ),
        )
    }
}

fn gcd(left: usize, right: usize) -> usize {
    if right == 0 { left } else { gcd(right, left % right) }
}
