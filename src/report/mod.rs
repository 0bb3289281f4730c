//! Pages and figures of results, written from run folders; observers write them when the results are complete.

mod accounting_section;
mod assembly_charts;
mod calibration_report;
mod compare_report;
mod confusion;
mod figure;
mod legend;
mod meta_report;
mod page;
mod pages;
mod parameters;
mod plot;
mod probe_report;
mod regression_charts;
mod regression_scores;
mod regression_section;
mod run_report;
mod tensorboard;
mod transfer_report;
mod twin_section;
mod verdict_section;
pub mod wording;

pub use calibration_report::CalibrationReport;
pub use compare_report::CompareReport;
pub use confusion::confusion_chart;
pub use figure::Figure;
pub use meta_report::MetaReport;
pub use pages::{Pages, write_pages};
pub use plot::{BandedCurve, Curve, band_chart, line_chart, scatter_chart};
pub use probe_report::ProbeReport;
pub use regression_section::RegressionSection;
pub use run_report::RunReport;
pub use tensorboard::{EventFile, TensorBoard};
pub use transfer_report::TransferReport;
pub use twin_section::TwinSection;
pub use wording::for_command_line;
