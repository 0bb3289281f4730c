//! The trainer and its options.

use burn::tensor::Device;
use twinprop_calibration::Adam;

use super::{
    Checkpoints, Observer, Observers, Optimiser, Refinement, Schedule, ShrinkageConfig,
    TrainingConfig,
};
use crate::data::Split;
use crate::loss::{CrossEntropy, Loss};
use crate::network::{Laboratory, Network};
use crate::rules::{Backpropagation, TrainingRule};

/// Trains a network: a rule makes gradients of each batch, an optimiser applies them, observers follow.
///
/// ```no_run
/// use twinprop::loss::CrossEntropy;
/// use twinprop::rules::Backpropagation;
/// use twinprop::training::Trainer;
/// # fn example(
/// #     network: &mut twinprop::network::Network,
/// #     laboratory: &mut twinprop::network::Laboratory,
/// #     data: &twinprop::data::Split,
/// # ) -> Result<(), twinprop::Error> {
/// Trainer::new(network, laboratory)
///     .rule(Backpropagation::physics_aware())
///     .loss(CrossEntropy::default())
///     .epochs(20)
///     .train(data)?;
/// # Ok(())
/// # }
/// ```
pub struct Trainer<'a> {
    pub(super) network: &'a mut Network,
    pub(super) laboratory: &'a mut Laboratory,
    pub(super) rule: Box<dyn TrainingRule + 'a>,
    pub(super) loss: Box<dyn Loss + 'a>,
    pub(super) optimiser: Box<dyn Optimiser + 'a>,
    pub(super) observers: Observers<'a>,
    pub(super) refinement: Option<&'a mut Refinement>,
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) learning_rate: f64,
    pub(super) digital_learning_rate: Option<f64>,
    pub(super) schedule: Schedule,
    pub(super) shrinkage: ShrinkageConfig,
    pub(super) checkpoints: Checkpoints,
    pub(super) tests_epochs: bool,
    pub(super) seed: u64,
    pub(super) backend: Device,
    /// An observer asked for a stop.
    pub(super) is_stopping: bool,
}

impl<'a> Trainer<'a> {
    /// Trains `network` on the devices of `laboratory` by physics-aware training, cross-entropy and Adam, with the
    /// other settings of [`TrainingConfig::default`], no checkpoints and a test after each epoch. The other methods
    /// change these settings.
    #[must_use]
    pub fn new(network: &'a mut Network, laboratory: &'a mut Laboratory) -> Self {
        let TrainingConfig { epochs, batch, learning_rate, schedule, .. } =
            TrainingConfig::default();
        let backend = network.device();
        Self {
            network,
            laboratory,
            rule: Box::new(Backpropagation::physics_aware()),
            loss: Box::new(CrossEntropy::default()),
            optimiser: Box::new(Adam::default()),
            observers: Observers::default(),
            refinement: None,
            epochs,
            batch,
            learning_rate,
            digital_learning_rate: None,
            schedule,
            shrinkage: ShrinkageConfig::default(),
            checkpoints: Checkpoints::Never,
            tests_epochs: true,
            seed: 0,
            backend,
            is_stopping: false,
        }
    }

    /// Takes rule, optimiser and numbers from `config`, and random numbers from `seed`.
    #[must_use]
    pub fn configure(self, config: &TrainingConfig, seed: u64) -> Self {
        Self {
            rule: config.rules.start(config.rule, seed, config.parts),
            optimiser: config.optimiser.start(),
            epochs: config.epochs,
            batch: config.batch.max(1),
            learning_rate: config.learning_rate,
            digital_learning_rate: config.digital_learning_rate,
            schedule: config.schedule,
            shrinkage: config.shrinkage.clone(),
            seed,
            ..self
        }
    }

    /// Makes gradients by `rule`.
    #[must_use]
    pub fn rule(self, rule: impl TrainingRule + 'a) -> Self {
        Self { rule: Box::new(rule), ..self }
    }

    /// Compares outputs and targets by `loss`.
    #[must_use]
    pub fn loss(self, loss: impl Loss + 'a) -> Self {
        Self { loss: Box::new(loss), ..self }
    }

    /// Applies gradients by `optimiser`.
    #[must_use]
    pub fn optimiser(self, optimiser: impl Optimiser + 'a) -> Self {
        Self { optimiser: Box::new(optimiser), ..self }
    }

    /// Sends events to `observer`, after the observers that were added before.
    #[must_use]
    pub fn observe(mut self, observer: &'a mut dyn Observer) -> Self {
        self.observers.all.push(observer);
        self
    }

    /// Refines the twins by `refinement` while the network trains.
    #[must_use]
    pub fn refine(self, refinement: &'a mut Refinement) -> Self {
        Self { refinement: Some(refinement), ..self }
    }

    /// Passes over the training data.
    #[must_use]
    pub fn epochs(self, epochs: usize) -> Self {
        Self { epochs, ..self }
    }

    /// Samples a step, at least one.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch: batch.max(1), ..self }
    }

    /// First learning rate of all parameters, which are normalised to [−1, 1] on devices.
    #[must_use]
    pub fn learning_rate(self, learning_rate: f64) -> Self {
        Self { learning_rate, ..self }
    }

    /// First learning rate of the digital stages' parameters, in place of [`learning_rate`](Self::learning_rate).
    #[must_use]
    pub fn digital_learning_rate(self, learning_rate: f64) -> Self {
        Self { digital_learning_rate: Some(learning_rate), ..self }
    }

    /// How the learning rates change from the first step to the last.
    #[must_use]
    pub fn schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Penalties on the size of the parameters.
    #[must_use]
    pub fn shrinkage(self, shrinkage: ShrinkageConfig) -> Self {
        Self { shrinkage, ..self }
    }

    /// When observers get a checkpoint.
    #[must_use]
    pub fn checkpoints(self, checkpoints: Checkpoints) -> Self {
        Self { checkpoints, ..self }
    }

    /// Leaves out the test after each epoch, and the epoch's metrics with it.
    #[must_use]
    pub fn without_tests(self) -> Self {
        Self { tests_epochs: false, ..self }
    }

    /// Seed of the order of the samples.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Steps from the first to the last on `data`.
    #[must_use]
    pub fn steps(&self, data: &Split) -> usize {
        self.epochs * data.train.len().div_ceil(self.batch)
    }
}
