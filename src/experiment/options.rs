//! Options of a run beside its recipe.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Backend, Rule};

/// Time from one checkpoint to the next, unless [`RunOptions::checkpoint_steps`] is set.
pub const CHECKPOINTS_EVERY: Duration = Duration::from_secs(30);

/// Options of a run; each overrides the recipe or a default.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Training rule instead of the recipe's.
    pub rule: Option<Rule>,
    /// Seed instead of the recipe's.
    pub seed: Option<u64>,
    /// Backend of the tensors.
    pub backend: Backend,
    /// Folder of the run; by default the next free one under `runs`.
    pub out: Option<PathBuf>,
    /// Further folder in which data files are searched for.
    pub data_dir: Option<PathBuf>,
    /// Real devices instead of the recipe's, each `TARGET` or `NAME=TARGET`.
    pub devices: Vec<String>,
    /// Folder for recordings of the devices' shots; `None` records nothing.
    pub record: Option<PathBuf>,
    /// Values instead of the recipe's, each `key=value`.
    pub set: Vec<String>,
    /// Training steps from one checkpoint to the next; by default a checkpoint every [`CHECKPOINTS_EVERY`].
    pub checkpoint_steps: Option<u64>,
    /// Command line of the run, shown in reports; empty for a library call.
    pub command: String,
    /// Whether data and devices may differ from a resumed run's, or from the run that twins are loaded from.
    pub allow_changed_data: bool,
}
