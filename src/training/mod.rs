//! Training: minibatches forward by the rule, gradients backward stage by stage, an optimiser.

mod awake;
mod bean;
mod config;
mod events;
mod loss;
mod optimiser;
mod parts;
mod range_penalty;
mod recalibration;
mod refinement;
mod schedule;
mod shrinkage;
mod trainer;

pub use awake::Awake;
pub use bean::{BeanConfig, Order, Regularisation};
pub use config::TrainingConfig;
pub use events::{EpochMetrics, Snapshot, Start, StepDone, TrainingEvent, TrainingProgress};
pub use loss::{accuracy, cross_entropy, predictions};
pub use optimiser::{Optimiser, OptimiserKind};
pub use range_penalty::RangePenalty;
pub use recalibration::{measure_at, recalibrate_about};
pub use refinement::{Refinement, RefinementChoice, RefinementConfig, RefinementState, TwinCourse};
pub use schedule::Schedule;
pub use shrinkage::ShrinkageConfig;
pub use trainer::{Checkpoints, Ending, Judgement, Trainer, evaluate};
