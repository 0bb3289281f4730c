//! Trains as the benchmarks do.

use twinprop::Error;
use twinprop::experiment::Experiment;
use twinprop::training::{Observer, Refinement, Trainer, TrainingConfig};

/// Trains `experiment` by `config`, without checkpoints and tests; `observer` gets the events.
///
/// # Errors
/// The error of a device or of `observer`, or [`Error::Diverged`].
pub fn train(
    experiment: &mut Experiment,
    config: &TrainingConfig,
    refinement: Option<&mut Refinement>,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let Experiment { network, laboratory, split, .. } = experiment;
    let mut trainer = Trainer::new(network, laboratory).configure(config, 1).without_tests();
    trainer = trainer.observe(observer);
    if let Some(refinement) = refinement {
        trainer = trainer.refine(refinement);
    }
    trainer.train(split)?;
    Ok(())
}
