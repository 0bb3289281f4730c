//! `transfer.html`: a network on another copy of its devices.

use std::fmt::Write;

use super::page::{facts, page, thousands};
use super::plot::{Curve, line_chart};
use crate::experiment::{Adaptation, Transfer};

/// A transfer as a page.
pub struct TransferReport<'a> {
    /// The transfer in numbers.
    pub transfer: &'a Transfer,
}

impl TransferReport<'_> {
    /// The page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let Transfer { run, copy, budgets, scratch } = self.transfer;
        let mut rows = vec![("Copy", copy.to_string())];
        if let Some(scratch) = scratch {
            let (accuracy, shots) = (100.0 * scratch.test_accuracy, thousands(scratch.shots));
            rows.push(("Trained on it from scratch", format!("{accuracy:.1} %, {shots} shots")));
        }
        let mut body = facts(&rows);
        let _ = writeln!(body, "<div class=\"charts\">\n{}</div>", self.chart());
        body += "<h2>Budgets</h2>\n<div class=\"scroll\"><table>\n<tr><th>shots</th><th>as it is</th>\
                 <th>through the recalibrated twin</th><th>fine-tuned</th></tr>\n";
        for budget in budgets {
            let _ = writeln!(
                body,
                "<tr><td>{}</td><td>{:.1} %</td><td>{:.1} %</td><td>{:.1} %</td></tr>",
                thousands(budget.shots()),
                100.0 * budget.as_it_is,
                100.0 * budget.recalibrated,
                100.0 * budget.fine_tuned
            );
        }
        body += "</table></div>\n";
        page(&format!("{run} on another copy of its devices"), &body)
    }

    /// Accuracy against shots.
    #[must_use]
    pub fn chart(&self) -> String {
        let Transfer { budgets, scratch, .. } = self.transfer;
        let shots = |budget: &Adaptation| budget.shots() as f64 / 1000.0;
        let curve = |name, accuracy: fn(&Adaptation) -> f32| Curve {
            name,
            points: budgets
                .iter()
                .map(|budget| (shots(budget), f64::from(100.0 * accuracy(budget))))
                .collect(),
        };
        let mut curves = vec![
            curve("fine-tuned", |budget| budget.fine_tuned),
            curve("recalibrated twin", |budget| budget.recalibrated),
            curve("as it is", |budget| budget.as_it_is),
        ];
        if let Some(scratch) = scratch {
            let level = f64::from(100.0 * scratch.test_accuracy);
            let points = budgets.iter().map(|budget| (shots(budget), level)).collect();
            curves.push(Curve { name: "from scratch", points });
        }
        let title = "Test accuracy on another copy";
        line_chart(title, "thousand shots", "accuracy (%)", Some(0.0..100.0), &curves)
    }
}
