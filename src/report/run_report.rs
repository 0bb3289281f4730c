//! `report.html`: a run on one page.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::accounting_section::accounting_section;
use super::assembly_charts::assembly_charts;
use super::confusion::confusion_chart;
use super::page::{charts, escape, facts, page, provenance_section, thousands};
use super::parameters::{angle_charts, parameter_charts};
use super::plot::{Curve, line_chart};
use super::regression_section::RegressionSection;
use super::twin_section::TwinSection;
use super::verdict_section::verdict_section;
use crate::experiment::Summary;
use crate::experiment::assemblies::StageAssemblies;
use crate::experiment::score_words::error_in_words;
use crate::experiment::troubles::{clamps_in_words, share};
use crate::loss::Measure;
use crate::training::{EpochMetrics, TestScore, TwinCourse};

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
    /// Which units of regularised stages answer alike.
    pub assemblies: &'a [StageAssemblies],
    /// Its answers to test samples, where the targets are values.
    pub values: Option<RegressionSection<'a>>,
    /// The unit of its root mean squared error, in words.
    pub error_unit: &'a str,
    /// The resolved recipe.
    pub recipe: &'a str,
}

impl RunReport<'_> {
    /// The page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut body = verdict_section(&self.summary.twins);
        body += &self.facts();
        body += &self.notes();
        body += &self.only_pseudo_gradient();
        body += "<h2>Training</h2>\n<div class=\"charts\">\n";
        body += &self.learning_curves();
        body += &self.gradient_cosines();
        body += &angle_charts(self.history).concat();
        body += "</div>\n";
        for twin in self.twins {
            body += &twin.to_html();
        }
        let Summary { classes, confusion, accounting, .. } = self.summary;
        let confusion = confusion_chart("Test samples on the device", classes, confusion);
        if !classes.is_empty() {
            body += &charts("Confusion matrix", [confusion.as_str()].into_iter());
        }
        body += &self.values.as_ref().map_or(String::new(), RegressionSection::to_html);
        let assemblies = assembly_charts(self.assemblies);
        body += &charts("Assemblies", assemblies.iter().map(String::as_str));
        body += &charts("Parameters", parameter_charts(self.history).iter().map(String::as_str));
        body += &accounting.as_ref().map_or(String::new(), accounting_section);
        body += &self.rigs();
        body += &provenance_section(&self.summary.provenance);
        let _ = writeln!(body, "<h2>Recipe</h2>\n<pre>{}</pre>", escape(self.recipe));
        page(self.title, &body)
    }

    fn facts(&self) -> String {
        let summary = self.summary;
        let measure = summary.test.measure();
        let mut rows = vec![
            ("Rule", summary.rule.to_string()),
            (
                match measure {
                    Measure::Accuracy => "Test accuracy on the device",
                    Measure::R2 => "Test R² on the device",
                },
                measure.format(summary.test.value()),
            ),
            ("Best of any epoch", measure.format(summary.best.value())),
            ("Seed", summary.seed.to_string()),
            ("Epochs", summary.epochs.to_string()),
            ("Run time, everything included", seconds(summary.seconds)),
            ("Device shots", thousands(summary.device_shots)),
            ("Values clamped", share(summary.clamped, summary.values)),
            ("Backend", summary.backend.to_string()),
        ];
        let TestScore { test_exact, test_rmse, test_nrmse, .. } = summary.test;
        let rmse = format!("RMSE {}", self.error_unit);
        rows.extend(test_rmse.map(|value| (rmse.as_str(), error_in_words(value.into()))));
        rows.extend(test_nrmse.map(|value| ("NRMSE", format!("{value:.4}"))));
        rows.extend(
            test_exact
                .map(|share| ("Samples with all labels right", Measure::Accuracy.format(share))),
        );
        if summary.device_seconds > 0.0 {
            rows.push(("Time on the device", seconds(summary.device_seconds)));
        }
        facts(&rows)
    }

    /// What the numbers above do not say by themselves.
    fn notes(&self) -> String {
        let summary = self.summary;
        let changed = summary.changed_data.iter();
        let mut notes: Vec<String> = changed
            .map(|change| format!("Changed while it was trained, as allowed: {change}."))
            .collect();
        notes.extend(summary.may_be_driven.iter().map(|device| format!("At the end: {device}.")));
        let spent = &summary.spent;
        let parts: Vec<String> = spent
            .parts()
            .iter()
            .filter(|(_, seconds)| *seconds >= 0.05)
            .map(|(what, took)| format!("{what} {}", seconds(*took)))
            .collect();
        if !parts.is_empty() {
            notes.push(format!(
                "Of the run time: {}; the rest is reports and files.",
                parts.join(", ")
            ));
        }
        if spent.first_shots > 0 {
            notes.push(format!(
                "Of the shots, {} were played first, through the untrained network: its scales set themselves to what arrives.",
                thousands(spent.first_shots)
            ));
        }
        if summary.device_seconds > 0.0 {
            let devices = &summary.provenance.devices;
            let kind = if devices.iter().all(|(_, kind)| kind.ends_with("simulated")) {
                "as long as the shots would take on the device that is simulated"
            } else if summary.links.is_empty() {
                "as long as the shots took by what the recorded device declared"
            } else {
                "as long as the shots take by what the device declares, without the link and the host"
            };
            notes.push(format!("Time on the device is {kind}: shots × seconds a shot."));
        }
        if let Some(clamps) = clamps_in_words(summary.clamped, summary.values) {
            notes.push(format!(
                "{clamps} ({} of {}).",
                thousands(summary.clamped),
                thousands(summary.values)
            ));
        }
        for (device, of_device) in summary.recalibrations(self.history) {
            notes.push(format!("The twin of {device} was {of_device}."));
        }
        let items: String =
            notes.iter().map(|note| format!("<li>{}</li>\n", escape(note))).collect();
        if items.is_empty() { items } else { format!("<ul>\n{items}</ul>\n") }
    }

    /// What learned plasticity's terms leave alone.
    fn only_pseudo_gradient(&self) -> String {
        let names = &self.summary.only_pseudo_gradient;
        if names.is_empty() {
            return String::new();
        }
        format!(
            "<p>No matrices, on which of the plasticity's terms only the pseudo-gradient acts: {}.</p>\n",
            escape(&names.join(", "))
        )
    }

    fn learning_curves(&self) -> String {
        let curve = |name, value: fn(&EpochMetrics) -> Option<f32>| Curve {
            name,
            points: self
                .history
                .iter()
                .filter_map(|metrics| Some((metrics.epoch as f64, f64::from(value(metrics)?))))
                .collect(),
        };
        let forward = match self.summary.rule {
            crate::Rule::InSilico => "training (twin)",
            _ => "training (device)",
        };
        let score = match self.summary.test.measure() {
            Measure::Accuracy => line_chart(
                "Accuracy",
                "epoch",
                "accuracy (%)",
                Some(0.0..100.0),
                &[
                    curve(forward, |metrics| metrics.train_accuracy.map(|share| 100.0 * share)),
                    curve("test (device)", |metrics| Some(100.0 * metrics.test.value())),
                ],
            ),
            Measure::R2 => {
                let curves = [curve("test (device)", |metrics| Some(metrics.test.value()))];
                line_chart("R²", "epoch", "R²", None, &curves)
            }
        };
        score
            + &line_chart(
                "Loss",
                "epoch",
                "loss",
                None,
                &[
                    curve(forward, |metrics| Some(metrics.train_loss)),
                    curve("test (device)", |metrics| Some(metrics.test_loss)),
                ],
            )
    }

    /// The gradient cosines of twins that were refined, beside the accuracy.
    fn gradient_cosines(&self) -> String {
        let start = (0, &self.summary.twins_at_start);
        let epochs = self.history.iter().map(|metrics| (metrics.epoch, &metrics.twins));
        let courses: Vec<(usize, &TwinCourse)> = std::iter::once(start)
            .chain(epochs)
            .flat_map(|(epoch, twins)| twins.iter().map(move |twin| (epoch, twin)))
            .collect();
        if courses.is_empty() {
            return String::new();
        }
        let devices: BTreeSet<&str> =
            courses.iter().map(|(_, twin)| twin.device.as_str()).collect();
        let accuracy =
            |metrics: &EpochMetrics| (metrics.epoch as f64, f64::from(metrics.test.value()));
        let name = match self.summary.test.measure() {
            Measure::Accuracy => "test accuracy",
            Measure::R2 => "test R²",
        };
        let accuracy = Curve { name, points: self.history.iter().map(accuracy).collect() };
        let cosines = devices.iter().map(|&device| {
            let known = courses.iter().filter(|(_, twin)| {
                twin.device == device && twin.gradient_cosine.is_known_cosine()
            });
            let point = |(epoch, twin): &(usize, &TwinCourse)| {
                (*epoch as f64, f64::from(twin.gradient_cosine.value))
            };
            Curve { name: device, points: known.map(point).collect() }
        });
        let curves: Vec<Curve> = std::iter::once(accuracy).chain(cosines).collect();
        let title = "Cosine between the twin's gradient and the device's";
        let values = curves.iter().flat_map(|curve| &curve.points);
        let range = if values.clone().any(|point| point.1 < 0.0) { -1.0..1.0 } else { 0.0..1.0 };
        line_chart(title, "epoch", "cosine, share", Some(range), &curves)
    }

    /// The real devices: which measured what, and how their links were.
    fn rigs(&self) -> String {
        let links = &self.summary.links;
        if links.is_empty() {
            return String::new();
        }
        let mut table = String::from(
            "<h2>Rigs</h2>\n<div class=\"scroll\"><table>\n<tr><th>rig</th><th>serial number</th><th>shots</th>\
             <th>frames sent</th><th>sent again</th><th>damaged</th><th>reconnects</th><th>restarts</th><th>measurements retried</th><th>state</th></tr>\n",
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
                counts.retried,
            ] {
                let _ = write!(table, "<td>{}</td>", thousands(number));
            }
            let _ = writeln!(table, "<td>{}</td></tr>", escape(state));
        }
        table + "</table></div>\n"
    }
}

/// A time, with the digits that say something.
fn seconds(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.1 => format!("{:.1} ms", 1e3 * seconds),
        seconds if seconds < 100.0 => format!("{seconds:.1} s"),
        seconds if seconds < 6000.0 => format!("{:.1} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}
