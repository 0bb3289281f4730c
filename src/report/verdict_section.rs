//! The verdicts on twins, at the top of a page.

use std::fmt::Write;

use super::page::escape;
use super::wording::for_command_line;
use crate::experiment::recipe::as_option;
use crate::experiment::verdict::{Grade, PAGE, TwinVerdict};

/// One box per twin: the verdict in words, and what to try next.
pub(super) fn verdict_section(verdicts: &[TwinVerdict]) -> String {
    let mut section = String::new();
    for TwinVerdict { device, grade, words, next, .. } in verdicts {
        let class = match grade {
            Grade::Fit => "good",
            Grade::Usable => "fair",
            Grade::Weak | Grade::Unknown | Grade::NoSignal => "bad",
        };
        let _ = write!(
            section,
            "<div class=\"verdict {class}\"><p><strong>Twin of {}:</strong> {}</p>",
            escape(device),
            escape(words)
        );
        for remedy in next {
            let setting = remedy.set.as_deref().map_or_else(String::new, |setting| {
                format!("<code>{}</code>: ", escape(&for_command_line(&as_option(setting))))
            });
            let _ = write!(section, "<p>Next: {setting}{}.</p>", escape(&remedy.does));
        }
        if !next.is_empty() {
            let _ = write!(section, "<p><code>{PAGE}</code> says how to choose.</p>");
        }
        section += "</div>\n";
    }
    section
}
