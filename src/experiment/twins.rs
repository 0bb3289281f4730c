//! Twins by their recipe: fitted to shots, or loaded from an earlier run; saved in a run's folder.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use twinprop_calibration::fit::fit_neural;
use twinprop_calibration::identify::identify;
use twinprop_calibration::{DigitalTwin, EquationTwin, HybridTwin, NeuralTwin, Shots};
use twinprop_devices::{Differentiable, Interface};

use super::recipe::{CalibrationConfig, TwinConfig};
use super::run_folder::RunFolder;
use crate::Error;
use crate::report::Progress;

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

/// A twin with what is saved of it.
pub(super) enum Twin {
    Neural(NeuralTwin),
    /// An equation, and whether its constants were learned.
    Physics(EquationTwin, bool),
    Hybrid(HybridTwin),
}

impl Subject<'_> {
    fn equation(&mut self) -> Box<dyn Differentiable> {
        self.nominal.take().expect("a recipe with physics twins has a model of every device")
    }

    /// Fits the twin of `config` to `shots`.
    pub fn fit(mut self, config: &CalibrationConfig, shots: &Shots) -> Result<Twin, Error> {
        let (seed, backend) = (self.seed, self.backend);
        Ok(match &config.twin {
            TwinConfig::Neural(size) => {
                let mut progress =
                    Progress::new(&format!("fit the twin of {}", self.name), config.fit.epochs);
                let heard = |done, _| progress.set(done, String::new());
                let (twin, history) =
                    fit_neural(size, &config.fit, self.interface, shots, seed, backend, heard)?;
                let best = history.validation.iter().copied().fold(f32::INFINITY, f32::min);
                progress.finish(format!("validation error {best:.4} of the readings' variance"));
                Twin::Neural(twin)
            }
            TwinConfig::Physics => Twin::Physics(EquationTwin::new(self.equation()), false),
            TwinConfig::LearnedPhysics(identification) => {
                let mut equation = self.equation();
                let mut progress = Progress::new(
                    &format!("learn the constants of {}", self.name),
                    identification.epochs,
                );
                let heard = |done, _| progress.set(done, String::new());
                let history =
                    identify(&mut *equation, identification, shots, seed, backend, heard)?;
                let last = history.last().copied().unwrap_or(f32::NAN);
                progress.finish(format!("error {last:.4} of the readings' variance"));
                Twin::Physics(EquationTwin::new(equation), true)
            }
            TwinConfig::Hybrid(hybrid) => {
                let passes = hybrid.constants.epochs + config.fit.epochs;
                let mut progress = Progress::new(&format!("fit the twin of {}", self.name), passes);
                let equation = self.equation();
                let heard = |done, _| progress.set(done, String::new());
                let twin =
                    HybridTwin::fit(equation, hybrid, &config.fit, shots, seed, backend, heard)?;
                progress.finish(match twin.residual() {
                    Some(_) => "an equation and a network for what it leaves".to_owned(),
                    None => "the equation leaves nothing that a network could learn".to_owned(),
                });
                Twin::Hybrid(twin)
            }
        })
    }

    /// Loads the twin of `config` from `folder`, where an earlier run saved it.
    pub fn load(mut self, config: &CalibrationConfig, folder: &Path) -> Result<Twin, Error> {
        let file = file_name(self.name);
        Ok(match &config.twin {
            TwinConfig::Neural(_) => {
                Twin::Neural(NeuralTwin::load(folder, &file, self.interface, self.backend)?)
            }
            TwinConfig::Physics => Twin::Physics(EquationTwin::new(self.equation()), false),
            TwinConfig::LearnedPhysics(_) => {
                Twin::Physics(EquationTwin::new(self.load_equation(folder)?), true)
            }
            TwinConfig::Hybrid(_) => {
                let equation = self.load_equation(folder)?;
                let has_residual = folder.join(format!("{file}.json")).is_file();
                let residual = has_residual
                    .then(|| NeuralTwin::load(folder, &file, self.interface, self.backend))
                    .transpose()?;
                Twin::Hybrid(HybridTwin::new(equation, residual))
            }
        })
    }

    /// The equation on the constants that an earlier run learned.
    fn load_equation(&mut self, folder: &Path) -> Result<Box<dyn Differentiable>, Error> {
        let path = folder.join(constants_file(self.name));
        let text = std::fs::read_to_string(&path)
            .map_err(Error::file(&path, "name the folder of a run that learned constants"))?;
        let wrong = |problem: String| Error::Data { path: path.clone(), problem };
        let learned: BTreeMap<String, f32> =
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let mut equation = self.equation();
        let values: Vec<f32> = equation
            .constants()
            .into_iter()
            .map(|constant| {
                learned.get(&constant.name).copied().ok_or_else(|| {
                    wrong(format!(
                        "it has no constant `{}`; it belongs to another device",
                        constant.name
                    ))
                })
            })
            .collect::<Result<_, _>>()?;
        equation.set_constants(&values);
        Ok(equation)
    }
}

impl Twin {
    /// The twin, to be asked.
    pub fn as_twin(&self) -> &dyn DigitalTwin {
        match self {
            Self::Neural(twin) => twin,
            Self::Physics(twin, _) => twin,
            Self::Hybrid(twin) => twin,
        }
    }

    /// The twin, to train by.
    pub fn boxed(self) -> Box<dyn DigitalTwin> {
        match self {
            Self::Neural(twin) => Box::new(twin),
            Self::Physics(twin, _) => Box::new(twin),
            Self::Hybrid(twin) => Box::new(twin),
        }
    }

    /// Saves what was fitted in `folder`, under the name of its device.
    pub fn save(&self, folder: &RunFolder, device: &str) -> Result<(), Error> {
        let constants = |equation: &dyn Differentiable| {
            let named: BTreeMap<String, f32> = equation
                .constants()
                .into_iter()
                .map(|constant| (constant.name, constant.value))
                .collect();
            folder.write_json(&constants_file(device), &named)
        };
        let network = |twin: &NeuralTwin| twin.save(folder.path(), &file_name(device));
        match self {
            Self::Neural(twin) => network(twin)?,
            Self::Physics(twin, true) => constants(twin.equation())?,
            Self::Physics(_, false) => {}
            Self::Hybrid(twin) => {
                constants(twin.equation())?;
                twin.residual().map_or(Ok(()), network)?;
            }
        }
        Ok(())
    }
}

/// File name of a device's neural twin, without its ending.
fn file_name(device: &str) -> String {
    format!("twin-{device}")
}

/// File name of a device's learned constants.
fn constants_file(device: &str) -> String {
    format!("{}.constants.json", file_name(device))
}
