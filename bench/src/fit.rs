//! The calibrations that the benchmarks time.

use burn::tensor::Device;
use twinprop::Backend;
use twinprop::calibration::identify::identify;
use twinprop::calibration::{FitConfig, IdentifyConfig, NeuralTwin, Shots, TwinConfig};
use twinprop::devices::{Differentiable, Interface, PhysicalLayer};
use twinprop::experiment::{Experiment, Recipe};

use crate::Outcome;

/// The calibration of a recipe's only device: the shots that it measures, and a pass over them.
pub struct Fit {
    recipe: Recipe,
    interface: Interface,
    /// The equation with the constants to learn.
    equation: Option<Box<dyn Differentiable>>,
    shots: Shots,
    backend: Device,
}

impl Fit {
    /// Measures the shots of `recipe` on the first device of `experiment`.
    ///
    /// # Errors
    /// The error of the device or of the design of the shots.
    ///
    /// # Panics
    /// If the experiment has no device.
    pub fn new(recipe: Recipe, mut experiment: Experiment) -> Outcome<Self> {
        let instrument = &mut experiment.laboratory.instruments[0];
        let interface = instrument.device.interface().clone();
        let (config, task) = (&recipe.calibration, instrument.task.as_ref());
        let (inputs, parameters) = config.draw(&interface, config.shots, task, recipe.seed)?;
        let shots = Shots::measure(&mut instrument.device, inputs, parameters, |_| ())?;
        let equation = instrument.nominal.take();
        let backend = Backend::Flex.device()?;
        Ok(Self { recipe, interface, equation, shots, backend })
    }

    /// Number of measured shots.
    #[must_use]
    pub fn shots(&self) -> usize {
        self.shots.len()
    }

    /// Fewest multiply-adds of a pass of a neural twin: forward, and the cotangents of values and of weights; `None` for
    /// other twins.
    #[must_use]
    pub fn multiply_adds(&self) -> Option<u64> {
        let TwinConfig::Neural(size) = &self.recipe.calibration.twin else { return None };
        let Interface { inputs, parameters, outputs, .. } = &self.interface;
        let hidden = size.width * (size.depth - 1) + outputs.len();
        let weights = (inputs.len() + parameters.len() + hidden) * size.width;
        let held_out = self.recipe.calibration.fit.validation_fraction;
        let passes = 3.0 * (1.0 - held_out) + held_out;
        Some((passes * (weights * self.shots()) as f64) as u64)
    }

    /// Makes one pass over the shots: of a new neural twin, with its judgement; or of the equation, from the constants
    /// of the last pass.
    ///
    /// # Errors
    /// The calibration's error, or an error for twins that are not learned.
    pub fn pass(&mut self) -> Outcome<()> {
        let Self { recipe, interface, equation, shots, backend } = self;
        let (config, seed) = (&recipe.calibration, recipe.seed);
        match (&config.twin, equation) {
            (TwinConfig::Neural(size), _) => {
                let fit = FitConfig { epochs: 1, ..config.fit.clone() };
                NeuralTwin::fit(size, &fit, interface, shots, seed, backend, |_, _| ())?;
            }
            (TwinConfig::LearnedPhysics(identification), Some(equation)) => {
                let once = IdentifyConfig { epochs: 1, ..identification.clone() };
                identify(&mut **equation, &once, shots, seed, backend, |_, _| ())?;
            }
            (twin, _) => return Err(format!("{twin:?} is not learned in passes over shots").into()),
        }
        Ok(())
    }
}
