//! Experiments: a recipe, and the run folder that comes of it.

mod assemble;
mod baseline;
mod build;
mod calibrate;
mod calibration_run;
mod compare;
mod evaluate;
mod recipe;
mod run;
mod run_folder;
mod twins;

pub use baseline::{Baseline, baselines};
pub use build::{Experiment, prepare};
pub use calibrate::{Calibrated, TwinSummary};
pub use calibration_run::{CalibrationSummary, calibrate_recipe, resume_calibration};
pub use compare::{Comparison, compare};
pub use evaluate::evaluate_run;
pub use recipe::{
    CalibrationConfig, DeviceEntry, PhysicalConfig, Recipe, RigConfig, StageConfig, TwinConfig,
};
pub use run::{LinkSummary, RunOptions, Summary, TwinScore, train};
pub use run_folder::RunFolder;
