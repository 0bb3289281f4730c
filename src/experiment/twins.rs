//! Twins by their recipe: fitted to shots, or loaded from an earlier run.

use std::path::Path;

use burn::tensor::Device;
use twinprop_calibration::fit::{FitHistory, fit_neural, fit_temporal};
use twinprop_calibration::identify::identify;
use twinprop_calibration::store::{has_constants, load_constants, load_network};
use twinprop_calibration::{
    CalibrationError, DigitalTwin, Ensemble, EquationTwin, FitConfig, HybridTwin, NeuralTwin,
    Shots, TemporalTwin,
};
use twinprop_devices::{Differentiable, Interface, PhysicalLayer};

use super::build::Experiment;
use super::recipe::{CalibrationConfig, Recipe, TwinConfig};
use crate::Error;
use crate::network::Laboratory;
use crate::training::{Observer, Task};

/// `done` steps of `task` are done.
fn tell(task: &mut Task, done: usize) {
    let _ = task.advance(done, "");
}

/// A device whose twin is made.
pub(super) struct Subject<'a> {
    /// Name in the recipe.
    pub name: &'a str,
    pub interface: &'a Interface,
    /// Its equation on the nominal constants, where it has a model.
    pub nominal: Option<Box<dyn Differentiable>>,
    pub seed: u64,
    pub backend: &'a Device,
}

impl Subject<'_> {
    fn equation(&mut self) -> Box<dyn Differentiable> {
        self.nominal.take().expect("a recipe with physics twins has a model of every device")
    }

    /// Shows the progress of the `fit` of a network that `run` makes.
    fn watch_fit<N>(
        &self,
        fit: &FitConfig,
        observer: &mut dyn Observer,
        run: impl FnOnce(&mut dyn FnMut(usize, usize)) -> Result<(N, FitHistory), CalibrationError>,
    ) -> Result<N, Error> {
        let label = format!("fit the twin of {}", self.name);
        let mut task = Task::of_steps(observer, &label, fit.epochs)?;
        let (twin, history) = run(&mut |done, _| tell(&mut task, done))?;
        let best = history.validation.iter().copied().fold(f32::INFINITY, f32::min);
        task.end(&format!("validation error {best:.4} of the readings' variance"))?;
        Ok(twin)
    }

    /// Fits the twin of `config` to `shots`.
    pub fn fit(
        mut self,
        config: &CalibrationConfig,
        shots: &Shots,
        observer: &mut dyn Observer,
    ) -> Result<Box<dyn DigitalTwin>, Error> {
        let (seed, backend) = (self.seed, self.backend);
        Ok(match &config.twin {
            TwinConfig::Neural(size) => {
                let (fit, of) = (&config.fit, self.interface);
                Box::new(self.watch_fit(fit, observer, |heard| {
                    fit_neural(size, fit, of, shots, seed, backend, heard)
                })?)
            }
            TwinConfig::Temporal(size) => {
                let (fit, of) = (&config.fit, self.interface);
                Box::new(self.watch_fit(fit, observer, |heard| {
                    fit_temporal(size, fit, of, shots, seed, backend, heard)
                })?)
            }
            TwinConfig::Ensemble(ensemble) => {
                let passes = ensemble.members * config.fit.epochs;
                let mut task =
                    Task::of_steps(observer, &format!("fit the twins of {}", self.name), passes)?;
                let heard = |done, _| tell(&mut task, done);
                let (fit, interface) = (&config.fit, self.interface);
                let twin = Ensemble::fit(ensemble, fit, interface, shots, seed, backend, heard)?;
                task.end(&format!("{} twins", ensemble.members))?;
                Box::new(twin)
            }
            TwinConfig::Physics => Box::new(EquationTwin::new(self.equation())),
            TwinConfig::LearnedPhysics(identification) => {
                let mut equation = self.equation();
                let label = format!("learn the constants of {}", self.name);
                let mut task = Task::of_steps(observer, &label, identification.epochs)?;
                let heard = |done, _| tell(&mut task, done);
                let history =
                    identify(&mut *equation, identification, shots, seed, backend, heard)?;
                let last = history.last().copied().unwrap_or(f32::NAN);
                task.end(&format!("error {last:.4} of the readings' variance"))?;
                Box::new(EquationTwin::learned(equation))
            }
            TwinConfig::Hybrid(hybrid) => {
                let passes = hybrid.constants.epochs + config.fit.epochs;
                let label = format!("fit the twin of {}", self.name);
                let mut task = Task::of_steps(observer, &label, passes)?;
                let equation = self.equation();
                let heard = |done, _| tell(&mut task, done);
                let twin =
                    HybridTwin::fit(equation, hybrid, &config.fit, shots, seed, backend, heard)?;
                task.end(match twin.residual() {
                    Some(_) => "an equation and a network for what it leaves",
                    None => "the equation leaves nothing that a network could learn",
                })?;
                Box::new(twin)
            }
        })
    }

    /// Loads the twin of `config` from `folder`, where an earlier run saved it.
    pub fn load(
        mut self,
        config: &CalibrationConfig,
        folder: &Path,
    ) -> Result<Box<dyn DigitalTwin>, Error> {
        let file = file_name(self.name);
        Ok(match &config.twin {
            TwinConfig::Neural(_) => {
                Box::new(load_network::<NeuralTwin>(folder, &file, self.interface, self.backend)?)
            }
            TwinConfig::Temporal(_) => {
                Box::new(load_network::<TemporalTwin>(folder, &file, self.interface, self.backend)?)
            }
            TwinConfig::Ensemble(ensemble) => {
                let load = |number| {
                    let file = format!("{file}.{number}");
                    load_network::<NeuralTwin>(folder, &file, self.interface, self.backend)
                };
                let members = (0..ensemble.members).map(load).collect::<Result<_, _>>()?;
                Box::new(Ensemble::new(members).expect("a recipe's ensemble has a member at least"))
            }
            // Refined while a network trained on it, or as designed.
            TwinConfig::Physics if !has_constants(folder, &file) => {
                Box::new(EquationTwin::new(self.equation()))
            }
            TwinConfig::Physics | TwinConfig::LearnedPhysics(_) => {
                Box::new(EquationTwin::learned(self.load_equation(folder)?))
            }
            TwinConfig::Hybrid(_) => {
                let equation = self.load_equation(folder)?;
                let has_residual = folder.join(format!("{file}.json")).is_file();
                let residual = has_residual
                    .then(|| {
                        load_network::<NeuralTwin>(folder, &file, self.interface, self.backend)
                    })
                    .transpose()?;
                Box::new(HybridTwin::new(equation, residual))
            }
        })
    }

    /// The equation on the constants that an earlier run learned.
    fn load_equation(&mut self, folder: &Path) -> Result<Box<dyn Differentiable>, Error> {
        let mut equation = self.equation();
        load_constants(&mut *equation, folder, &file_name(self.name))?;
        Ok(equation)
    }
}

/// Gives every device of `experiment` the twin that an earlier run saved in `folder`.
///
/// # Errors
/// [`Error::Calibration`] where it is missing, as after `ideal` training.
pub(super) fn load_twins(
    experiment: &mut Experiment,
    recipe: &Recipe,
    folder: &Path,
    backend: &Device,
) -> Result<(), Error> {
    for instrument in &mut experiment.laboratory.instruments {
        let interface = instrument.device.interface().clone();
        let (name, nominal) = (&instrument.name, instrument.nominal.clone());
        let subject = Subject { name, interface: &interface, nominal, seed: recipe.seed, backend };
        instrument.twin = Some(subject.load(&recipe.calibration, folder)?.into());
    }
    Ok(())
}

/// Saves the twins of `laboratory` in `folder`, for [`load_twins`].
///
/// # Errors
/// [`Error::Calibration`] names the file that could not be written.
pub(super) fn save_twins(laboratory: &Laboratory, folder: &Path) -> Result<(), Error> {
    for instrument in &laboratory.instruments {
        instrument.twin().save(folder, &file_name(&instrument.name))?;
    }
    Ok(())
}

/// Name of the files of a device's twin, without their endings.
pub(super) fn file_name(device: &str) -> String {
    format!("twin-{device}")
}
