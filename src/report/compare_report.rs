//! `compare.html`: rules side by side, each with settings of its own.

use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

use twinprop_devices::recording;

use super::confusion::confusion_chart;
use super::device_charts::device_charts;
use super::figure::Figure;
use super::page::{charts, escape, facts, page, provenance_section, thousands};
use super::parameters::parameter_charts;
use super::plot::{BandedCurve, Curve, band_chart};
use super::verdict_section::verdict_section;
use crate::experiment::RunFolder;
use crate::experiment::compare::{
    Cell, Comparison, ComparisonRow, Effort, SweptValues, WorstTwin, file_name, mean_and_deviation,
};
use crate::experiment::recipe::Column;
use crate::experiment::verdict::TwinVerdict;
use crate::loss::Measure;

/// A comparison as a page.
pub struct CompareReport<'a> {
    /// The comparison.
    pub comparison: &'a Comparison,
    /// The folder of its runs.
    pub folder: &'a Path,
}

/// Shots, seconds and alignment of a column's runs, each in words.
fn effort_in_words(effort: &Effort) -> (String, String, String) {
    let alignment = effort.alignment.zip(effort.angle());
    let alignment = alignment.map(|(cosine, angle)| format!("{cosine:.3} ({angle:.0}°)"));
    let shots = thousands(effort.device_shots.round() as u64);
    (shots, format!("{:.1}", effort.seconds), alignment.unwrap_or_default())
}

/// The axis range of a score: 0 to 100 % for an accuracy; for R², from the lowest point, but not below [`LOWEST_R2`] or
/// above 0, to 1.
fn score_range(measure: Measure, curves: &[BandedCurve]) -> Range<f64> {
    let values = curves.iter().flat_map(|banded| &banded.curve.points).map(|point| point.1);
    match measure {
        Measure::Accuracy => 0.0..100.0,
        Measure::R2 => values.fold(0.0, f64::min)..1.0,
    }
}

/// The lowest R² that is drawn; lower ones, as of an untrained network, are drawn there.
const LOWEST_R2: f64 = -1.0;

/// The number that a chart shows of the score `value`.
fn shown(measure: Measure, value: f32) -> f64 {
    f64::from(measure.shown() * value).max(LOWEST_R2)
}

impl CompareReport<'_> {
    /// Returns the page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let plan = &self.comparison.plan;
        let verdicts = self.comparison.verdicts();
        let worst = verdicts.iter().map(|WorstTwin { settings, verdict, runs }| {
            let values: String =
                settings.iter().map(|(key, value)| format!(", {key} {value}")).collect();
            let device = format!("{}{values}, the worst of {runs} runs", verdict.device);
            TwinVerdict { device, ..verdict.clone() }
        });
        let mut body = verdict_section(&worst.collect::<Vec<_>>());
        body += &facts(&[
            ("Recipe", plan.recipe.clone()),
            ("Seeds", plan.seeds.len().to_string()),
            ("Runs", self.comparison.cells.len().to_string()),
        ]);
        body += &self.table();
        for (title, figures) in self.sections() {
            body += &charts(title, figures.iter().map(|figure| figure.svg.as_str()));
        }
        // All runs have the first run's provenance.
        if let Some(first) = self.comparison.cells.first() {
            body += &provenance_section(&first.summary.provenance);
        }
        page(&format!("Comparison on {}", plan.recipe.trim_end_matches(".toml")), &body)
    }

    /// Returns all figures of the page.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        self.sections().into_iter().flat_map(|(_, figures)| figures).collect()
    }

    /// The figures under their headings.
    fn sections(&self) -> [(&'static str, Vec<Figure>); 4] {
        [
            ("Scores", self.scores()),
            ("Confusion matrices", self.confusions()),
            ("Parameters of the first run", self.parameters()),
            ("Devices", self.devices()),
        ]
    }

    fn scores(&self) -> Vec<Figure> {
        let mut figures: Vec<Figure> = self.sweep().into_iter().collect();
        let settings = self.comparison.plan.settings();
        let single = settings.len() == 1;
        for (place, settings) in settings.iter().enumerate() {
            let score = match self.comparison.measure() {
                Measure::Accuracy => "accuracy",
                Measure::R2 => "r2",
            };
            let name = if single { score.to_owned() } else { format!("{score}-{}", place + 1) };
            figures.push(Figure::new(name, self.learning_curves(settings)));
        }
        figures
    }

    fn table(&self) -> String {
        let Comparison { plan, rows, .. } = self.comparison;
        let mut table = String::from("<h2>Results</h2>\n<div class=\"scroll\"><table>\n<tr>");
        for sweep in &plan.sweeps {
            let _ = write!(table, "<th>{}</th>", escape(&sweep.key));
        }
        let first = plan.columns.first().map_or("", |column| &column.name);
        let has_angles =
            rows.iter().any(|row| row.effort.as_ref().is_some_and(|one| one.alignment.is_some()));
        let _ = writeln!(
            table,
            "<th>training</th><th>test {}, mean ± sd</th><th>p against {} (paired)</th>\
             <th>device shots</th><th>seconds</th>{}</tr>",
            self.comparison.measure().with_unit(),
            escape(first),
            if has_angles { "<th>cosine with backpropagation</th>" } else { "" }
        );
        for ComparisonRow { settings, name, mean, standard_deviation, p_value, effort, .. } in rows
        {
            table += "<tr>";
            for sweep in &plan.sweeps {
                let value = settings.iter().find(|(key, _)| *key == sweep.key);
                let _ = write!(table, "<td>{}</td>", value.map_or("", |(_, value)| value));
            }
            let p = p_value.map_or(String::new(), |p| format!("{p:.3}"));
            let _ = write!(
                table,
                "<th>{}</th><td>{}</td><td>{p}</td>",
                escape(name),
                self.comparison.measure().format_mean(*mean, *standard_deviation)
            );
            let (shots, seconds, alignment) =
                effort.as_ref().map_or_else(Default::default, effort_in_words);
            let _ = write!(table, "<td>{shots}</td><td>{seconds}</td>");
            table += &if has_angles {
                format!("<td>{alignment}</td></tr>\n")
            } else {
                "</tr>\n".to_owned()
            };
        }
        table + "</table></div>\n"
    }

    /// The test score against the swept value; `None` unless there is one sweep, of numbers.
    fn sweep(&self) -> Option<Figure> {
        let Comparison { plan, rows, .. } = self.comparison;
        let [sweep] = plan.sweeps.as_slice() else { return None };
        let measure = self.comparison.measure();
        // The columns, then the digital methods if their data are swept.
        let mut names: Vec<&str> = Vec::new();
        for row in rows.iter().filter(|row| !row.settings.is_empty()) {
            if !names.contains(&row.name.as_str()) {
                names.push(&row.name);
            }
        }
        let curves: Vec<BandedCurve> = names
            .into_iter()
            .map(|name| {
                let own = rows.iter().filter(|row| row.name == name);
                let of = own.map(|row| {
                    let value: f64 = row.settings.first()?.1.parse().ok()?;
                    let (mean, deviation) = (row.mean, row.standard_deviation);
                    Some(((value, shown(measure, mean)), shown(measure, deviation)))
                });
                let (points, deviations): (Vec<_>, Vec<_>) =
                    of.collect::<Option<Vec<_>>>()?.into_iter().unzip();
                Some(BandedCurve { curve: Curve { name, points }, deviations })
            })
            .collect::<Option<_>>()?;
        let name = measure.name();
        let title = format!("Test {name}, mean of {} seeds and their sd", plan.seeds.len());
        let range = score_range(measure, &curves);
        let chart = band_chart(&title, &sweep.key, measure.with_unit(), range, &curves);
        Some(Figure::new("sweep", chart))
    }

    /// The mean test score of each column by epoch, with its standard deviation over the seeds.
    fn learning_curves(&self, settings: &SweptValues) -> String {
        let Comparison { plan, cells, .. } = self.comparison;
        let measure = self.comparison.measure();
        let curves: Vec<BandedCurve> = plan
            .columns
            .iter()
            .map(|Column { name, .. }| {
                let of_column: Vec<&Cell> = cells
                    .iter()
                    .filter(|cell| cell.column == *name && cell.settings == *settings)
                    .collect();
                let epochs = of_column.iter().map(|cell| cell.history.len()).min().unwrap_or(0);
                let (points, deviations) = (0..epochs)
                    .map(|epoch| {
                        let of_seed = of_column.iter().map(|cell| cell.history[epoch].test.value());
                        let (mean, deviation) = mean_and_deviation(&of_seed.collect::<Vec<_>>());
                        let place = (epoch + 1) as f64;
                        ((place, shown(measure, mean)), shown(measure, deviation))
                    })
                    .unzip();
                BandedCurve { curve: Curve { name, points }, deviations }
            })
            .collect();
        let values: String =
            settings.iter().map(|(key, value)| format!(", {key} {value}")).collect();
        let title = format!(
            "Test {} on the device, mean of {} seeds{values}",
            measure.name(),
            plan.seeds.len()
        );
        let range = score_range(measure, &curves);
        band_chart(&title, "epoch", measure.with_unit(), range, &curves)
    }

    /// The confusion matrix of each column at the first combination of swept values, summed over the seeds.
    fn confusions(&self) -> Vec<Figure> {
        let Comparison { plan, cells, .. } = self.comparison;
        let Some(first) = cells.first() else { return Vec::new() };
        let classes = &first.summary.classes;
        if first.summary.confusion.is_empty() {
            return Vec::new();
        }
        let of_column = |Column { name, .. }: &Column| {
            let own =
                cells.iter().filter(|cell| cell.column == *name && cell.settings == first.settings);
            let mut counts = vec![vec![0; classes.len()]; classes.len()];
            for cell in own {
                for (sums, row) in counts.iter_mut().zip(&cell.summary.confusion) {
                    sums.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
                }
            }
            let title = format!("{name}, test samples of all seeds");
            Figure::new(
                format!("confusion-{}", file_name(name)),
                confusion_chart(&title, classes, &counts),
            )
        };
        plan.columns.iter().map(of_column).collect()
    }

    /// Sizes of the first run's trainable tensors by epoch.
    fn parameters(&self) -> Vec<Figure> {
        let first = self.comparison.cells.first();
        let charts = first.map_or_else(Vec::new, |cell| parameter_charts(&cell.history));
        let charts = charts.into_iter().enumerate();
        charts
            .map(|(place, chart)| Figure::new(format!("parameters-{}", place + 1), chart))
            .collect()
    }

    /// Drives and readings of a few shots of each device of the first run.
    fn devices(&self) -> Vec<Figure> {
        let Some(first) = self.comparison.cells.first() else { return Vec::new() };
        let run = RunFolder::at(&self.folder.join(&first.folder));
        let mut figures = Vec::new();
        for device in run.referenced() {
            let reference = run.reference(&device);
            let (Ok(interface), Ok(recorded)) =
                (recording::interface(&reference), recording::read(&reference))
            else {
                continue;
            };
            figures.extend(device_charts(&device, &interface, &recorded));
        }
        figures
    }
}
