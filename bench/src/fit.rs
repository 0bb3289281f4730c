//! Calibrations, as the benchmarks time them.

use burn::tensor::Device;
use twinprop::Backend;
use twinprop::calibration::identify::identify;
use twinprop::calibration::{FitConfig, IdentifyConfig, NeuralTwin, Shots};
use twinprop::devices::{Differentiable, Interface, PhysicalLayer};
use twinprop::experiment::{Experiment, Recipe, TwinConfig};

use crate::Outcome;

/// The calibration of a recipe's only device: the shots that it measures, and a pass over them.
pub struct Fit {
    recipe: Recipe,
    interface: Interface,
    /// What the constants that are learned are those of.
    equation: Option<Box<dyn Differentiable>>,
    shots: Shots,
    backend: Device,
}

impl Fit {
    /// Measures the shots of `recipe` on the first device of `experiment`.
    ///
    /// # Errors
    /// Whatever the device answers, or the design of the shots.
    ///
    /// # Panics
    /// If there is no device.
    pub fn new((recipe, mut experiment): (Recipe, Experiment)) -> Outcome<Self> {
        let instrument = &mut experiment.laboratory.instruments[0];
        let interface = instrument.device.interface().clone();
        let (config, task) = (&recipe.calibration, instrument.task.as_ref());
        let (inputs, parameters) = config.draw(&interface, config.shots, task, recipe.seed)?;
        let shots = Shots::measure(&mut instrument.device, inputs, parameters, |_| ())?;
        let equation = instrument.nominal.take();
        let backend = Backend::Flex.device()?;
        Ok(Self { recipe, interface, equation, shots, backend })
    }

    /// How many shots it measured.
    #[must_use]
    pub fn shots(&self) -> usize {
        self.shots.len()
    }

    /// One pass over the shots: of a neural twin with the shots that it is judged by, of an equation from where
    /// the last pass left its constants.
    ///
    /// # Errors
    /// Whatever the calibration answers; and for twins that are not learned.
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
            (twin, _) => return Err(format!("no pass over shots makes {twin:?}").into()),
        }
        Ok(())
    }
}
