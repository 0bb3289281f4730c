//! `calibration.html`: twins and how far to trust them.

use std::fmt::Write;

use super::page::{escape, facts, page, provenance_section, thousands};
use super::twin_section::TwinSection;
use super::verdict_section::verdict_section;
use crate::experiment::calibration::CalibrationSummary;
use crate::experiment::verdict::TwinVerdict;

/// A calibration as a page.
pub struct CalibrationReport<'a> {
    /// Summary of the calibration.
    pub summary: &'a CalibrationSummary,
    /// Its twins.
    pub twins: &'a [TwinSection<'a>],
    /// The verdicts on them, in words.
    pub verdicts: &'a [TwinVerdict],
    /// The resolved recipe.
    pub recipe: &'a str,
}

impl CalibrationReport<'_> {
    /// Returns the page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let summary = self.summary;
        let shots: usize = summary.twins.values().map(|twin| twin.shots + twin.test_shots).sum();
        let mut body = verdict_section(self.verdicts);
        body += &facts(&[
            ("Seed", summary.seed.to_string()),
            ("Shots of the designs", thousands(shots as u64)),
            ("Time", format!("{:.1} s", summary.seconds)),
            ("Backend", summary.backend.to_string()),
        ]);
        for twin in self.twins {
            body += &twin.to_html();
        }
        body += &provenance_section(&summary.provenance);
        let _ = writeln!(body, "<h2>Recipe</h2>\n<pre>{}</pre>", escape(self.recipe));
        page(&format!("Calibration of {}", summary.recipe), &body)
    }
}
