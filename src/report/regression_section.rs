//! The part of a run's report about targets that are values.

use std::fmt::Write;

use super::page::{escape, thousands};
use super::plot::{Curve, line_chart};
use super::regression_charts::{Agreement, Residuals, agreement_chart, residual_chart};
use super::regression_scores::{Moments, Quantity, QuantityScore};
use crate::experiment::score_words::error_in_words;
use crate::experiment::test_answers::TestAnswers;

/// Values that are drawn as dots, of all quantities together.
const DOTS: usize = 3000;
/// Quantities with a row of residuals, and with a chart of their own.
const ROWS: usize = 24;
const CHARTS: usize = 4;
/// Times that are drawn of a series.
const TIMES: usize = 200;

/// Answers to test samples beside their true values.
pub struct RegressionSection<'a> {
    /// The answers.
    pub answers: &'a TestAnswers,
    /// Times from one test sample to the next, where they are neighbouring windows of a time series that are answered
    /// at one time each.
    pub stride: Option<usize>,
}

impl RegressionSection<'_> {
    /// The section: a table of scores, and charts.
    #[must_use]
    pub fn to_html(&self) -> String {
        let quantities = Quantity::all_of(&self.answers.targets);
        let scores: Vec<QuantityScore> =
            quantities.iter().map(|quantity| quantity.score(self.answers)).collect();
        let mut html = String::from("<h2>Values</h2>\n");
        html += &table(&quantities, &scores);
        let (agreement, notes) = self.agreement(&quantities);
        html += &notes;
        html += "<div class=\"charts\">\n";
        html += &agreement;
        html += &self.residuals(&quantities, &scores);
        html += &self.waveforms(&quantities).concat();
        html += &self.series().concat();
        html + "</div>\n"
    }

    /// Predicted against true values, in units of the file where there is one quantity, and what is shown of them.
    fn agreement(&self, quantities: &[Quantity]) -> (String, String) {
        let TestAnswers { predicted, truth, .. } = self.answers;
        let samples = truth.ncols();
        let values = truth.len();
        let is_one = quantities.len() == 1;
        let moments = Moments::of_rows(truth);
        let stride = values.div_ceil(DOTS).max(1);
        let mut shown = 0;
        let agreements: Vec<Agreement> = quantities
            .iter()
            .map(|quantity| {
                let rows = quantity.rows.len();
                // A stride that shares no factor with the rows visits all of them.
                let stride = (stride..).find(|stride| gcd(*stride, rows) == 1).unwrap_or(stride);
                let places = (0..samples * rows).step_by(stride);
                let point = |place: usize| {
                    let (row, sample) = (quantity.rows.start + place % rows, place / rows);
                    let scale = |value: f64| match is_one {
                        true => value,
                        false => (value - moments[row].mean) / moments[row].deviation,
                    };
                    (scale(truth[(row, sample)]), scale(predicted[(row, sample)]))
                };
                let points: Vec<(f64, f64)> = places.map(point).collect();
                shown += points.len();
                Agreement { name: &quantity.name, points }
            })
            .collect();
        let unit = match quantities {
            [only] => format!(" {}", only.name),
            _ => ", in standard deviations from the target's mean".to_owned(),
        };
        let note = if shown < values {
            let [shown, values] = [shown, values].map(|count| thousands(count as u64));
            format!("<p>Of the {values} test values, {shown} at even distances are drawn.</p>\n")
        } else {
            String::new()
        };
        (agreement_chart(&unit, &agreements), note)
    }

    fn residuals(&self, quantities: &[Quantity], scores: &[QuantityScore]) -> String {
        let is_one = quantities.len() == 1;
        let rows = quantities.iter().zip(scores).take(ROWS).map(|(quantity, score)| {
            let unit = if is_one { 1.0 } else { score.deviation };
            let quantiles = quantity.residual_quantiles(self.answers);
            Residuals { name: &quantity.name, quantiles: quantiles.map(|value| value / unit) }
        });
        let rows: Vec<Residuals> = rows.collect();
        let what = if is_one {
            "true − predicted"
        } else {
            "true − predicted, in standard deviations"
        };
        let first = match quantities.len() {
            count if count > ROWS => format!("; first {ROWS} of {count} targets"),
            _ => String::new(),
        };
        residual_chart(&format!("{what} (median, quartiles, 5 and 95 %{first})"), &rows)
    }

    /// Of each waveform, the sample with the median error.
    fn waveforms(&self, quantities: &[Quantity]) -> Vec<String> {
        let TestAnswers { predicted, truth, .. } = self.answers;
        let waveforms = quantities.iter().filter(|quantity| quantity.is_waveform());
        let chart = |quantity: &Quantity| {
            let sample = quantity.median_sample(self.answers);
            let curve = |name, values: &nalgebra::DMatrix<f64>| Curve {
                name,
                points: quantity
                    .rows
                    .clone()
                    .enumerate()
                    .map(|(step, row)| (step as f64, values[(row, sample)]))
                    .collect(),
            };
            let title = format!(
                "{}, the test sample with the median error (sample {})",
                quantity.name,
                sample + 1
            );
            let curves = [curve("true", truth), curve("predicted", predicted)];
            line_chart(&title, quantity.axis, &quantity.name, None, &curves)
        };
        waveforms.take(CHARTS).map(chart).collect()
    }

    /// The first test times of a series.
    fn series(&self) -> Vec<String> {
        let Some(stride) = self.stride else { return Vec::new() };
        let TestAnswers { targets, predicted, truth } = self.answers;
        let samples = truth.ncols().min(TIMES.div_ceil(stride)).max(1);
        let charts = targets.iter().enumerate().take(CHARTS).map(|(row, name)| {
            let curve = |label, values: &nalgebra::DMatrix<f64>| Curve {
                name: label,
                points: (0..samples.min(truth.ncols()))
                    .map(|sample| ((sample * stride) as f64, values[(row, sample)]))
                    .collect(),
            };
            let title = format!("{name}, first test times");
            let curves = [curve("true", truth), curve("predicted", predicted)];
            line_chart(&title, "time from the first answer", name, None, &curves)
        });
        charts.collect()
    }
}

/// Scores of each quantity.
fn table(quantities: &[Quantity], scores: &[QuantityScore]) -> String {
    let mut table = String::from(
        "<div class=\"scroll\"><table><caption>Test samples on the device. RMSE is in the unit of the data's file, NRMSE in \
         units of the target's standard deviation; the interval of R² holds in 95 of 100 cases.</caption>\n\
         <tr><th>target</th><th>R²</th><th>95 % interval</th><th>RMSE</th><th>NRMSE</th></tr>\n",
    );
    for (quantity, score) in quantities.iter().zip(scores) {
        let values = match quantity.rows.len() {
            1 => String::new(),
            count => format!(", {count} values"),
        };
        let interval = match score.interval {
            Some((low, high)) => format!("{low:.3} to {high:.3}"),
            None => "unknown".to_owned(),
        };
        let r2 =
            if score.r2.is_finite() { format!("{:.3}", score.r2) } else { "unknown".to_owned() };
        let nrmse = if score.nrmse.is_finite() {
            format!("{:.3}", score.nrmse)
        } else {
            "unknown".to_owned()
        };
        let _ = writeln!(
            table,
            "<tr><th>{}{values}</th><td>{r2}</td><td>{interval}</td><td>{}</td><td>{nrmse}</td></tr>",
            escape(&quantity.name),
            error_in_words(score.rmse)
        );
    }
    table + "</table></div>\n"
}

fn gcd(left: usize, right: usize) -> usize {
    if right == 0 { left } else { gcd(right, left % right) }
}
