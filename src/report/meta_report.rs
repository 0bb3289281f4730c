//! `meta.html`: the results of a meta-trained plasticity rule.

use std::fmt::Write;

use super::figure::Figure;
use super::page::{charts, facts, page};
use super::plot::{BandedCurve, COLOURS, Curve, band_chart};
use crate::experiment::compare::mean_and_deviation;
use crate::experiment::meta::{Arm, EpisodeMetrics, MetaRecipe, MetaTraining};
use crate::rules::plasticity::Term;

/// A meta-training as a page.
pub struct MetaReport<'a> {
    /// The meta-training.
    pub training: &'a MetaTraining,
    /// Its recipe.
    pub recipe: &'a MetaRecipe,
}

/// Episodes over which an accuracy is averaged.
const WINDOW: usize = 25;

impl MetaReport<'_> {
    /// Returns the page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let MetaRecipe { tasks, meta, .. } = self.recipe;
        let closed = |share: f64| format!("{:.0} %", 100.0 * share);
        let mut body = facts(&[
            ("Seeds", self.training.plan.seeds.len().to_string()),
            ("Episodes", meta.episodes.to_string()),
            (
                "A task",
                format!(
                    "{} classes; per class {} samples to learn from and {} queries",
                    tasks.classes, tasks.training, tasks.queries
                ),
            ),
            (
                "Share of the gap between fixed and symmetric feedback that learned plasticity closes",
                self.training.gap_closed.map_or_else(|| "no gap".to_owned(), closed),
            ),
        ]);
        body += &self.table();
        let figures = self.figures();
        body += &charts("Episodes", figures.iter().map(|figure| figure.svg.as_str()));
        page("Learned plasticity", &body)
    }

    /// Returns all figures of the page.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![Figure::new("query-accuracy", self.accuracies())];
        for (place, terms) in Term::ALL.chunks(COLOURS.len() - 1).enumerate() {
            figures.push(Figure::new(format!("theta-{}", place + 1), self.coefficients(terms)));
        }
        figures
    }

    fn table(&self) -> String {
        let hidden = self.recipe.hidden.len();
        let mut table = String::from(
            "<h2>Held-out tasks</h2>\n<div class=\"scroll\"><table>\n<tr><th>feedback</th>\
             <th>correct answers (%), mean ± sd</th>",
        );
        for layer in 1..=hidden {
            let _ = write!(table, "<th>angle, layer {layer}</th>");
        }
        table += "<th>diverged episodes</th></tr>\n";
        for row in &self.training.rows {
            let _ = write!(
                table,
                "<tr><th>{}</th><td>{:.1} ± {:.1}</td>",
                row.arm.name(),
                100.0 * row.mean,
                100.0 * row.standard_deviation
            );
            let cells = || self.training.cells.iter().map(|cell| &cell.result);
            let own = || cells().filter(|result| result.arm == row.arm);
            for layer in 0..hidden {
                let angles: Option<Vec<f32>> =
                    own().map(|result| result.angles[layer].map(|angle| angle as f32)).collect();
                let angle = angles.map(|angles| mean_and_deviation(&angles).0);
                let angle = angle.map_or("—".to_owned(), |angle| format!("{angle:.0}°"));
                let _ = write!(table, "<td>{angle}</td>");
            }
            let diverged: usize = own().map(|result| result.diverged).sum();
            let _ = writeln!(table, "<td>{diverged}</td></tr>");
        }
        table + "</table></div>\n"
    }

    /// Mean and standard deviation over the seeds of `value`, for each episode of `arm`.
    fn course(&self, arm: Arm, value: impl Fn(&EpisodeMetrics) -> f64) -> (Vec<f64>, Vec<f64>) {
        let own = self.training.cells.iter().filter(|cell| cell.result.arm == arm);
        let histories: Vec<&[EpisodeMetrics]> = own.map(|cell| cell.history.as_slice()).collect();
        let episodes = histories.iter().map(|history| history.len()).min().unwrap_or(0);
        let of_episode = |episode: usize| {
            let values = histories.iter().map(|history| value(&history[episode]) as f32);
            let (mean, deviation) = mean_and_deviation(&values.collect::<Vec<_>>());
            (f64::from(mean), f64::from(deviation))
        };
        (0..episodes).map(of_episode).unzip()
    }

    fn accuracies(&self) -> String {
        let curves: Vec<BandedCurve> = Arm::ALL
            .into_iter()
            .map(|arm| {
                let (means, deviations) = self.course(arm, |one| 100.0 * one.query_accuracy);
                let smooth = |values: &[f64]| -> Vec<f64> {
                    let windows = values.windows(WINDOW.min(values.len()).max(1));
                    windows.map(|some| some.iter().sum::<f64>() / some.len() as f64).collect()
                };
                let points = smooth(&means).into_iter().enumerate();
                let points = points.map(|(place, mean)| ((place + WINDOW) as f64, mean)).collect();
                let curve = Curve { name: arm.name(), points };
                BandedCurve { curve, deviations: smooth(&deviations) }
            })
            .collect();
        let title = format!("Correct answers, mean of {WINDOW} episodes");
        band_chart(&title, "episode", "accuracy (%)", 0.0..100.0, &curves)
    }

    fn coefficients(&self, terms: &[Term]) -> String {
        let curves: Vec<BandedCurve> = terms
            .iter()
            .map(|&term| {
                let (means, deviations) = self.course(Arm::Learned, |one| one.theta.of(term));
                let points = means.into_iter().enumerate();
                let points = points.map(|(place, mean)| ((place + 1) as f64, mean)).collect();
                BandedCurve { curve: Curve { name: term.name(), points }, deviations }
            })
            .collect();
        let reach = curves
            .iter()
            .flat_map(|one| one.curve.points.iter().zip(&one.deviations))
            .fold(1e-3_f64, |reach, ((_, mean), deviation)| reach.max(mean.abs() + deviation));
        band_chart("Θ of the learned rule", "episode", "θ", -reach..reach, &curves)
    }
}
