//! What a person sees: progress while something goes on, one HTML page when it is done.

mod accounting_section;
mod assembly_charts;
mod calibration_report;
mod compare_report;
mod confusion;
mod dashboard;
mod figure;
mod meta_report;
mod page;
mod parameters;
mod plot;
mod probe_report;
mod progress;
mod run_report;
mod tensorboard;
pub mod terminal;
mod training_view;
mod transfer_report;
mod twin_section;

pub use calibration_report::CalibrationReport;
pub use compare_report::CompareReport;
pub use confusion::confusion_chart;
pub use dashboard::Dashboard;
pub use figure::Figure;
pub use meta_report::MetaReport;
pub use plot::{BandedCurve, Curve, band_chart, line_chart, scatter_chart};
pub use probe_report::ProbeReport;
pub use progress::{Progress, without_progress};
pub use run_report::RunReport;
pub use tensorboard::EventFile;
pub use training_view::TrainingView;
pub use transfer_report::TransferReport;
pub use twin_section::{TwinSection, verdict};
