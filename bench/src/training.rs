//! A training as the benchmarks watch it.

use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use twinprop::experiment::Experiment;
use twinprop::training::{Checkpoints, Refinement, Trainer, TrainingConfig, TrainingEvent};
use twinprop::{Error, Rule};

/// Physics-aware training of `experiment` by `config`, without checkpoints and tests; `observe` hears every step.
/// Returns what refined the twins.
///
/// # Errors
/// Whatever a device or `observe` answers, and [`Error::Diverged`].
pub fn train<'a>(
    experiment: &'a mut Experiment,
    config: &'a TrainingConfig,
    refinement: Option<Refinement<'a>>,
    backend: &'a Device,
    observe: impl FnMut(TrainingEvent) -> Result<(), Error>,
) -> Result<Option<Refinement<'a>>, Error> {
    let mut trainer = Trainer {
        network: &mut experiment.network,
        laboratory: &mut experiment.laboratory,
        split: &experiment.split,
        config,
        rule: Rule::Pat,
        refinement,
        judges_epochs: false,
        checkpoints: Checkpoints::Never,
        seed: 1,
        backend,
    };
    trainer.train(None, &AtomicBool::new(false), observe)?;
    Ok(trainer.refinement)
}
