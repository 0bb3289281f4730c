//! What a person sees: progress while something goes on, one HTML page when it is done.

mod page;
mod plot;
mod probe_report;
mod progress;
mod run_report;

pub use plot::{Curve, line_chart, scatter_chart};
pub use probe_report::ProbeReport;
pub use progress::Progress;
pub use run_report::{RunReport, TwinSection};
