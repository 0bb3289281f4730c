//! Training: minibatches forward by the rule, gradients backward stage by stage, an optimiser.

mod awake;
mod clock;
mod config;
mod epochs;
mod evaluation;
mod event;
mod optimiser;
mod progress;
mod recalibration;
mod refinement;
mod schedule;
mod shrinkage;
mod task;
mod test_score;
mod trainer;

pub use awake::Awake;
pub use clock::Checkpoints;
pub use config::TrainingConfig;
pub use epochs::Ending;
pub use evaluation::{Evaluation, evaluate};
pub use event::{
    Event, Observer, Observers, Results, Snapshot, StepDone, TrainingBegins, TwinJudged,
    Unobserved, Work, WorkOutcome, WorkSize, warn,
};
pub use optimiser::{Descent, Optimiser, OptimiserKind};
pub use progress::{EpochMetrics, TrainingProgress};
pub use recalibration::{Budget, measure_at, recalibrate_about};
pub use refinement::{Refinement, RefinementChoice, RefinementConfig, RefinementState, TwinCourse};
pub use schedule::Schedule;
pub use shrinkage::ShrinkageConfig;
pub use task::Task;
pub use test_score::TestScore;
pub use trainer::Trainer;
