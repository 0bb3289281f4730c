//! `transfer.html`: a network on another copy of its devices.

use std::fmt::Write;

use super::page::{facts, page, thousands};
use super::plot::{Curve, line_chart};
use crate::experiment::adapt::Adaptation;
use crate::experiment::transfer::Transfer;
use crate::loss::Measure;

/// A transfer as a page.
pub struct TransferReport<'a> {
    /// Results of the transfer.
    pub transfer: &'a Transfer,
}

impl TransferReport<'_> {
    /// Returns the page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let Transfer { run, copy, budgets, scratch } = self.transfer;
        let mut rows = vec![("Copy", copy.to_string())];
        if let Some(scratch) = scratch {
            let score = scratch.test.measure().format(scratch.test.value());
            let shots = thousands(scratch.shots);
            rows.push(("Trained on it from scratch", format!("{score}, {shots} shots")));
        }
        let mut body = facts(&rows);
        let _ = writeln!(body, "<div class=\"charts\">\n{}</div>", self.chart());
        body += "<h2>Budgets</h2>\n<div class=\"scroll\"><table>\n<tr><th>shots</th><th>as it is</th>\
                 <th>through the recalibrated twin</th><th>fine-tuned</th></tr>\n";
        for budget in budgets {
            let _ = writeln!(
                body,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                thousands(budget.shots()),
                budget.measure.format(budget.as_it_is),
                budget.measure.format(budget.recalibrated),
                budget.measure.format(budget.fine_tuned)
            );
        }
        body += "</table></div>\n";
        page(&format!("{run} on another copy of its devices"), &body)
    }

    /// Returns the chart of the score against the shots, as SVG.
    #[must_use]
    pub fn chart(&self) -> String {
        let Transfer { budgets, scratch, .. } = self.transfer;
        let shots = |budget: &Adaptation| budget.shots() as f64 / 1000.0;
        let measure = budgets.first().map_or(Measure::Accuracy, |budget| budget.measure);
        let shown = move |value: f32| f64::from(measure.shown() * value);
        let curve = |name, score: fn(&Adaptation) -> f32| Curve {
            name,
            points: budgets.iter().map(|budget| (shots(budget), shown(score(budget)))).collect(),
        };
        let mut curves = vec![
            curve("fine-tuned", |budget| budget.fine_tuned),
            curve("recalibrated twin", |budget| budget.recalibrated),
            curve("as it is", |budget| budget.as_it_is),
        ];
        if let Some(scratch) = scratch {
            let level = shown(scratch.test.value());
            let points = budgets.iter().map(|budget| (shots(budget), level)).collect();
            curves.push(Curve { name: "from scratch", points });
        }
        let title = format!("Test {} on another copy", measure.name());
        let range = measure.is_accuracy().then_some(0.0..100.0);
        line_chart(&title, "thousand shots", measure.with_unit(), range, &curves)
    }
}
