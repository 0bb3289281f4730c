//! What a person sees: progress while something goes on, one HTML page when it is done.

mod calibration_report;
mod page;
mod plot;
mod probe_report;
mod progress;
mod run_report;
mod transfer_report;
mod twin_section;

pub use calibration_report::CalibrationReport;
pub use plot::{Curve, line_chart, scatter_chart};
pub use probe_report::ProbeReport;
pub use progress::Progress;
pub use run_report::RunReport;
pub use transfer_report::TransferReport;
pub use twin_section::{TwinSection, verdict};
