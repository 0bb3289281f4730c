//! Experiments: a recipe, and the run folder that comes of it.

mod accounting;
mod adapt;
mod assemble;
mod assemblies;
mod away;
mod baseline;
mod build;
mod calibrate;
mod calibrated;
mod calibration_run;
mod checkpoint;
mod compare;
mod digital_network;
mod digital_peer;
mod evaluate;
mod feasible;
mod fidelity_words;
mod folder_lock;
mod judged;
mod keeper;
mod meta;
mod options;
mod outcome;
mod predict;
mod preparation;
mod provenance;
mod recalibrate;
mod recipe;
mod reference;
mod ridge;
mod run;
mod run_folder;
mod summary;
mod trained;
mod trained_on;
mod transfer;
mod troubles;
mod twins;
mod verdict;
mod watch;

pub use accounting::{Accounting, Cost, PeerCost};
pub use adapt::Adaptation;
pub use assemblies::{Correlations, StageAssemblies};
pub use baseline::{Baseline, baselines};
pub use build::{AtHand, Experiment, Given, Place, open, prepare};
pub use calibrated::{Calibrated, CalibrationSummary, TwinSummary};
pub use calibration_run::{calibrate_recipe, resume_calibration};
pub use compare::{
    Cell, CellKey, Compared, Comparison, ComparisonRow, Effort, Plan, SeedScores, Settings, Sweep,
    compare, make_cell, mean_and_deviation, plan_comparison, resume_comparison,
};
pub use digital_peer::{DigitalPeer, PeerSearch, digital_peer};
pub use evaluate::{Reevaluation, evaluate_run};
pub use feasible::why_not;
pub use fidelity_words::{in_a_sentence, in_numbers};
pub use judged::JudgedShots;
pub use meta::{
    Arm, ArmResult, EpisodeMetrics, MetaCell, MetaConfig, MetaPlan, MetaRecipe, MetaRow,
    MetaTraining, TasksConfig, meta_training, resume_meta_training,
};
pub use options::RunOptions;
pub use predict::{Confused, PredictOptions, Prediction, predict_samples};
pub use provenance::{Provenance, Spent, command_line};
pub use recalibrate::recalibrate_run;
pub use recipe::{
    AccountingConfig, AdaptConfig, CalibrationConfig, DeviceEntry, DropoutConfig, JitterConfig,
    LinearConfig, PadConfig, PatchesConfig, PhysicalConfig, Recipe, Requirement, RigConfig,
    SkipConfig, SliceConfig, SoftplusConfig, StageConfig, TwinConfig, recipe_schema,
};
pub use run::{CHECKPOINTS_EVERY, resume, resume_given, train, train_recipe};
pub use run_folder::{RunFolder, Usages};
pub use summary::{BestScore, LinkSummary, Recalibrations, Summary, TwinScore};
pub use trained::{Reopening, Trained};
pub use trained_on::{Half, TrainedFeature, TrainedOn};
pub use transfer::{Scratch, Transfer, transfer};
pub use troubles::{clamps_in_words, restarts, share, share_in_words, troubles};
pub use verdict::{Grade, PAGE, Remedy, TwinVerdict, as_option};
pub use watch::{Look, Watch};
