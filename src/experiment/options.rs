//! What is decided about a run beside its recipe.

use std::path::PathBuf;

use crate::{Backend, Rule};

/// What the command line decides about a run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The rule, if not the recipe's.
    pub rule: Option<Rule>,
    /// The seed, if not the recipe's.
    pub seed: Option<u64>,
    /// Where the host computes.
    pub backend: Backend,
    /// The run's folder, if not the next free one under `runs`.
    pub out: Option<PathBuf>,
    /// Where data files are looked for besides.
    pub data_dir: Option<PathBuf>,
    /// Real devices instead of the recipe's, each `TARGET` or `NAME=TARGET`.
    pub devices: Vec<String>,
    /// Where the shots of each device are recorded, if they are.
    pub record: Option<PathBuf>,
    /// Values that replace the recipe's, each `key=value`.
    pub set: Vec<String>,
    /// Training steps from one checkpoint to the next, if not [`CHECKPOINTS_EVERY`](super::CHECKPOINTS_EVERY).
    pub checkpoint_steps: Option<u64>,
    /// The command line that asks for the run, if one does: reports say it.
    pub command: String,
    /// Whether data and devices may differ from what a resumed run, or one whose twins are loaded, has.
    pub allow_changed_data: bool,
}
