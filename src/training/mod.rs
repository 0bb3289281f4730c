//! Training: minibatches forward by the rule, gradients backward stage by stage, an optimiser.

mod awake;
mod clipped_rms_prop;
mod clock;
mod config;
mod epochs;
mod evaluation;
mod event;
mod optimiser;
mod optimiser_kind;
mod progress;
mod recalibration;
mod refinement;
mod schedule;
mod shrinkage;
mod task;
mod test_score;
mod trainer;

pub use awake::Awake;
pub use clipped_rms_prop::ClippedRmsProp;
pub use clock::Checkpoints;
pub use config::TrainingConfig;
pub use epochs::Ending;
pub use evaluation::{Evaluation, evaluate};
pub use event::{
    Event, Observer, Observers, Results, Snapshot, StepDone, TrainingBegins, TwinJudged,
    Unobserved, Work, WorkOutcome, WorkSize, warn,
};
pub use optimiser::{Descent, Optimiser};
pub use optimiser_kind::OptimiserKind;
pub use progress::{EpochMetrics, TrainingProgress};
pub use recalibration::{Budget, measure_at, recalibrate_about};
pub use refinement::{Refinement, RefinementChoice, RefinementConfig, RefinementState, TwinCourse};
pub use schedule::Schedule;
pub use shrinkage::ShrinkageConfig;
pub use task::Task;
pub use test_score::TestScore;
pub use trainer::Trainer;
