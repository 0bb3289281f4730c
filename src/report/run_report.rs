//! `report.html`: a run on one page.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::accounting_section::accounting_section;
use super::assembly_charts::assembly_charts;
use super::confusion::confusion_chart;
use super::page::{charts, escape, facts, page, thousands};
use super::parameters::{angle_charts, parameter_charts};
use super::plot::{Curve, line_chart};
use super::twin_section::TwinSection;
use crate::experiment::{StageAssemblies, Summary};
use crate::training::{EpochMetrics, TwinCourse};

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
    /// The resolved recipe.
    pub recipe: &'a str,
}

impl RunReport<'_> {
    /// The page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut body = self.facts();
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
        body += &charts("Confusion matrix", [confusion.as_str()].into_iter());
        let assemblies = assembly_charts(self.assemblies);
        body += &charts("Assemblies", assemblies.iter().map(String::as_str));
        body += &charts("Parameters", parameter_charts(self.history).iter().map(String::as_str));
        body += &accounting.as_ref().map_or(String::new(), accounting_section);
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
            |metrics: &EpochMetrics| (metrics.epoch as f64, f64::from(metrics.test_accuracy));
        let accuracy =
            Curve { name: "test accuracy", points: self.history.iter().map(accuracy).collect() };
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
        line_chart(title, "epoch", "cosine, share", Some(0.0..1.0), &curves)
            + &recalibrations(&courses)
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
}

/// When twins were calibrated anew, in words.
fn recalibrations(courses: &[(usize, &TwinCourse)]) -> String {
    let anew: Vec<String> = courses
        .iter()
        .filter(|(_, twin)| twin.recalibration_shots > 0)
        .map(|(epoch, twin)| {
            let when = match epoch {
                0 => "before the first epoch".to_owned(),
                _ => format!("after epoch {epoch}"),
            };
            format!("{} {when} with {} shots", escape(&twin.device), twin.recalibration_shots)
        })
        .collect();
    if anew.is_empty() {
        return String::new();
    }
    format!("<p>Calibrated anew: {}.</p>\n", anew.join("; "))
}
