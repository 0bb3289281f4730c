//! The kinds of twin, and making one from its configuration.

use std::fmt;
use std::path::Path;

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::neuromorphic::SpikeGradient;
use twinprop_devices::{Differentiable, Interface};

use crate::by_name;
use crate::ensemble::{Ensemble, EnsembleConfig};
use crate::equation::EquationTwin;
use crate::error::CalibrationError;
use crate::fit::{FitConfig, FitHistory};
use crate::hybrid::{HybridConfig, HybridTwin};
use crate::identify::{IdentifyConfig, identify};
use crate::neural::{NeuralTwin, NeuralTwinConfig};
use crate::spiking::{SpikeTrainConfig, SurrogateConfig, load_slope, with_gradient};
use crate::store::{has_constants, load_constants};
use crate::temporal::{TemporalTwin, TemporalTwinConfig};
use crate::twin::DigitalTwin;
use twinprop_devices::shots::Shots;

/// The kind of twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = by_name::in_schema)]
#[non_exhaustive]
pub enum TwinConfig {
    /// A multilayer perceptron, fitted to shots.
    Neural(NeuralTwinConfig),
    /// A causal convolution, for a device with a waveform as its drive.
    Temporal(TemporalTwinConfig),
    /// Several neural twins, and their mean.
    Ensemble(EnsembleConfig),
    /// A simulated device's equation on its nominal constants; nothing is fitted.
    Physics,
    /// That equation with its constants learned from shots.
    LearnedPhysics(IdentifyConfig),
    /// An equation with learned constants, and a small neural twin of its error.
    Hybrid(HybridConfig),
    /// A spiking chip's equation with a surrogate gradient, evaluated at the measured spikes.
    Surrogate(SurrogateConfig),
    /// A spiking chip's equation with derivatives of output spike counts with respect to input spike counts (ST-RSBP).
    SpikeTrain(SpikeTrainConfig),
    /// A twin that your own program passes to the library.
    Given,
    /// A twin that the rig computes.
    Served(ServedTwinConfig),
}

/// A served twin has no options in the recipe; the rig computes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServedTwinConfig {}

/// A device, and how its twin is fitted.
pub struct Fitting<'a> {
    /// The device's interface.
    pub interface: &'a Interface,
    /// The device's equation on its nominal constants, where it has one.
    pub nominal: Option<Box<dyn Differentiable>>,
    /// The fit of a twin's networks.
    pub fit: &'a FitConfig,
    /// Seed of the initial weights and of the order of the shots.
    pub seed: u64,
    /// Where the twin is computed.
    pub backend: &'a Device,
}

/// How far a fit is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum FitProgress {
    /// Passes over the shots that are done, of those planned: [`TwinConfig::passes`]. A fit may end
    /// before the last one.
    Pass {
        /// Passes that are done.
        done: usize,
        /// Passes that are planned.
        of: usize,
    },
    /// The fit has ended.
    End(FitSummary),
}

/// What a fit achieved.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum FitSummary {
    /// A network: its smallest mean squared error on held-out shots, in units of the readings'
    /// variance.
    Network {
        /// The error.
        validation_error: f32,
    },
    /// An ensemble of networks.
    Ensemble {
        /// Number of networks.
        members: usize,
    },
    /// An equation: its mean squared error in the last pass, in units of the readings' variance.
    Constants {
        /// The error.
        error: f32,
    },
    /// An equation of spikes: its misfit in the last pass.
    Spikes {
        /// Negative log-likelihood of the measured spikes, in nats a cell of the rasters.
        misfit: f32,
    },
    /// An equation, and a network where it improves on the equation.
    Hybrid {
        /// Whether the network is part of the twin.
        has_network: bool,
    },
}

impl fmt::Display for FitSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { validation_error } => {
                write!(f, "validation error {validation_error:.4} of the readings' variance")
            }
            Self::Ensemble { members } => write!(f, "{members} twins"),
            Self::Constants { error } => write!(f, "error {error:.4} of the readings' variance"),
            Self::Spikes { misfit } => write!(f, "misfit of the spikes {misfit:.4} nats a cell"),
            Self::Hybrid { has_network: true } => {
                f.write_str("an equation and a network for what it leaves")
            }
            Self::Hybrid { has_network: false } => {
                f.write_str("the equation leaves nothing that a network could learn")
            }
        }
    }
}

impl TwinConfig {
    /// How an equation's constants are learned, where they are.
    #[must_use]
    pub fn identify(&self) -> Option<&IdentifyConfig> {
        match self {
            Self::Neural(_)
            | Self::Temporal(_)
            | Self::Ensemble(_)
            | Self::Physics
            | Self::Given
            | Self::Served(_) => None,
            Self::LearnedPhysics(config) => Some(config),
            Self::Hybrid(config) => Some(&config.constants),
            Self::Surrogate(config) => config.constants.as_ref(),
            Self::SpikeTrain(config) => config.constants.as_ref(),
        }
    }

    /// The derivative of a spiking chip's spikes; `None` for a twin that is not made for one.
    #[must_use]
    pub fn spike_gradient(&self) -> Option<SpikeGradient> {
        match self {
            Self::Surrogate(config) => Some(config.gradient()),
            Self::SpikeTrain(config) => Some(config.gradient()),
            _ => None,
        }
    }

    /// The fabricated `equation` as the twin of `ideal` training: a chip with the derivative of this twin's spikes.
    #[must_use]
    pub fn exact(&self, equation: Box<dyn Differentiable>) -> Box<dyn Differentiable> {
        let gradient = self.spike_gradient();
        let spiking = gradient.and_then(|gradient| with_gradient(&*equation, gradient));
        spiking.unwrap_or(equation)
    }

    /// Whether the slope of a surrogate gradient is chosen by measurements.
    #[must_use]
    pub fn chooses_slope(&self) -> bool {
        matches!(self, Self::Surrogate(SurrogateConfig { slope: None, .. }))
    }

    /// Whether the twin is made of the device's equation, which only simulated devices and rigs with
    /// a model have.
    #[must_use]
    pub fn needs_equation(&self) -> bool {
        matches!(self, Self::Physics | Self::LearnedPhysics(_) | Self::Hybrid(_))
            || self.spike_gradient().is_some()
    }

    /// Whether the twin is fitted to shots.
    #[must_use]
    pub fn is_fitted(&self) -> bool {
        match self {
            Self::Physics => false,
            Self::Surrogate(_) | Self::SpikeTrain(_) => self.identify().is_some(),
            _ => !self.is_elsewhere(),
        }
    }

    /// Whether the twin is computed elsewhere, so that nothing is fitted or loaded.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Given | Self::Served(_))
    }

    /// Passes over the shots that a fit plans, with networks fitted as `fit` says; 0 for a twin that
    /// is not fitted.
    #[must_use]
    pub fn passes(&self, fit: &FitConfig) -> usize {
        match self {
            Self::Neural(_) | Self::Temporal(_) => fit.epochs,
            Self::Ensemble(config) => config.members * fit.epochs,
            Self::Physics | Self::Given | Self::Served(_) => 0,
            Self::LearnedPhysics(config) => config.epochs,
            Self::Hybrid(config) => config.constants.epochs + fit.epochs,
            Self::Surrogate(_) | Self::SpikeTrain(_) => {
                self.identify().map_or(0, |constants| constants.epochs)
            }
        }
    }

    /// Makes the twin and fits it to `shots`; `observe` gets its progress.
    ///
    /// ```
    /// use twinprop_calibration::burn::tensor::Device;
    /// use twinprop_calibration::design::DesignConfig;
    /// use twinprop_calibration::{FitConfig, Fitting, NeuralTwinConfig, Shots, TwinConfig};
    /// use twinprop_devices::PhysicalLayer;
    /// use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config =
    ///     SecondHarmonicConfig { inputs: 4, parameters: 3, outputs: 5, ..Default::default() };
    /// let mut device = SecondHarmonic::fabricated(&config, 0.1, 1)?;
    /// let interface = device.interface().clone();
    ///
    /// let (inputs, parameters) = DesignConfig::Sobol.draw(&interface, 256, None, 1)?;
    /// let shots = Shots::measure(&mut device, inputs, parameters, |_| ())?;
    ///
    /// let twin = TwinConfig::Neural(NeuralTwinConfig { width: 16, depth: 1, residual: false });
    /// let fit = FitConfig { epochs: 3, ..FitConfig::default() };
    /// let backend = Device::flex();
    /// let fitting =
    ///     Fitting { interface: &interface, nominal: None, fit: &fit, seed: 1, backend: &backend };
    /// let twin = twin.fit(fitting, &shots, &mut |progress| println!("{progress:?}"))?;
    /// assert_eq!(twin.interface(), &interface);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CalibrationError::NoEquation`] for a twin made of an equation where there is no
    /// [`nominal`](Fitting::nominal) one; [`CalibrationError::TooFewShots`],
    /// [`CalibrationError::Diverged`] and [`CalibrationError::EmptyEnsemble`] as [`NetworkTwin::fit`](crate::NetworkTwin::fit)
    /// and [`Ensemble::fit`]; [`CalibrationError::NotGiven`] for a twin that only its program has.
    pub fn fit(
        &self,
        fitting: Fitting<'_>,
        shots: &Shots,
        observe: &mut dyn FnMut(FitProgress),
    ) -> Result<Box<dyn DigitalTwin>, CalibrationError> {
        let Fitting { interface, nominal, fit, seed, backend } = fitting;
        let mut pass = |done, of| observe(FitProgress::Pass { done, of });
        let (twin, summary): (Box<dyn DigitalTwin>, _) = match self {
            Self::Neural(size) => {
                let fitted =
                    NeuralTwin::fit(size, fit, interface, shots, seed, backend, &mut pass)?;
                (Box::new(fitted.0), network_summary(&fitted.1))
            }
            Self::Temporal(size) => {
                let fitted =
                    TemporalTwin::fit(size, fit, interface, shots, seed, backend, &mut pass)?;
                (Box::new(fitted.0), network_summary(&fitted.1))
            }
            Self::Ensemble(config) => {
                let twin = Ensemble::fit(config, fit, interface, shots, seed, backend, &mut pass)?;
                (Box::new(twin), FitSummary::Ensemble { members: config.members })
            }
            Self::Physics => {
                return Ok(Box::new(EquationTwin::new(self.equation(nominal, interface)?)));
            }
            Self::Surrogate(SurrogateConfig { constants: None, .. })
            | Self::SpikeTrain(SpikeTrainConfig { constants: None, .. }) => {
                return Ok(Box::new(EquationTwin::new(self.equation(nominal, interface)?)));
            }
            Self::LearnedPhysics(config)
            | Self::Surrogate(SurrogateConfig { constants: Some(config), .. })
            | Self::SpikeTrain(SpikeTrainConfig { constants: Some(config), .. }) => {
                let mut equation = self.equation(nominal, interface)?;
                let errors = identify(&mut *equation, config, shots, seed, backend, &mut pass)?;
                let error = errors.last().copied().unwrap_or(f32::NAN);
                let summary = match interface.outputs.has_raster() {
                    true => FitSummary::Spikes { misfit: error },
                    false => FitSummary::Constants { error },
                };
                (Box::new(EquationTwin::learned(equation)), summary)
            }
            Self::Given | Self::Served(_) => {
                return Err(CalibrationError::NotGiven { device: interface.device.clone() });
            }
            Self::Hybrid(config) => {
                let equation = self.equation(nominal, interface)?;
                let twin = HybridTwin::fit(equation, config, fit, shots, seed, backend, &mut pass)?;
                let has_network = twin.residual().is_some();
                (Box::new(twin), FitSummary::Hybrid { has_network })
            }
        };
        observe(FitProgress::End(summary));
        Ok(twin)
    }

    /// Loads the twin `NAME` of `folder`, as [`DigitalTwin::save`] left it, for a device with
    /// `interface` and, where it has one, the `nominal` equation.
    ///
    /// # Errors
    /// [`CalibrationError::NoEquation`] for a twin made of an equation where `nominal` is `None`;
    /// [`CalibrationError::OtherDevice`] where the twin was fitted to another interface;
    /// [`CalibrationError::File`] and [`CalibrationError::Format`] where files are missing, damaged, or
    /// of another kind of twin; [`CalibrationError::NotGiven`] for a twin that only its program has.
    pub fn load(
        &self,
        interface: &Interface,
        nominal: Option<Box<dyn Differentiable>>,
        folder: &Path,
        name: &str,
        backend: &Device,
    ) -> Result<Box<dyn DigitalTwin>, CalibrationError> {
        let learned = |nominal| {
            let mut equation = self.equation(nominal, interface)?;
            load_constants(&mut *equation, folder, name)?;
            Ok::<_, CalibrationError>(equation)
        };
        Ok(match self {
            Self::Neural(_) => Box::new(NeuralTwin::load(folder, name, interface, backend)?),
            Self::Temporal(_) => Box::new(TemporalTwin::load(folder, name, interface, backend)?),
            Self::Ensemble(config) => {
                let load = |number| {
                    NeuralTwin::load(folder, &format!("{name}.{number}"), interface, backend)
                };
                let members = (0..config.members).map(load).collect::<Result<_, _>>()?;
                Box::new(Ensemble::new(members).ok_or(CalibrationError::EmptyEnsemble)?)
            }
            // Constants are saved where the twin was refined while a network trained.
            Self::Physics if !has_constants(folder, name) => {
                Box::new(EquationTwin::new(self.equation(nominal, interface)?))
            }
            Self::Physics | Self::LearnedPhysics(_) => {
                Box::new(EquationTwin::learned(learned(nominal)?))
            }
            Self::Surrogate(_) | Self::SpikeTrain(_) => {
                let is_learned = self.identify().is_some() || has_constants(folder, name);
                let equation = match is_learned {
                    true => learned(nominal)?,
                    false => self.equation(nominal, interface)?,
                };
                let equation = match self.chooses_slope() {
                    true => self.spiking(&*equation, load_slope(folder, name)?)?,
                    false => equation,
                };
                match is_learned {
                    true => Box::new(EquationTwin::learned(equation)),
                    false => Box::new(EquationTwin::new(equation)),
                }
            }
            Self::Given | Self::Served(_) => {
                return Err(CalibrationError::NotGiven { device: interface.device.clone() });
            }
            Self::Hybrid(_) => {
                let equation = learned(nominal)?;
                let has_network = folder.join(format!("{name}.json")).is_file();
                let network = has_network
                    .then(|| NeuralTwin::load(folder, name, interface, backend))
                    .transpose()?;
                Box::new(HybridTwin::new(equation, network))
            }
        })
    }

    /// The equation that the twin is made of.
    fn equation(
        &self,
        nominal: Option<Box<dyn Differentiable>>,
        interface: &Interface,
    ) -> Result<Box<dyn Differentiable>, CalibrationError> {
        let equation = nominal.ok_or_else(|| CalibrationError::NoEquation {
            twin: self.name(),
            device: interface.device.clone(),
        })?;
        match self.spike_gradient() {
            Some(gradient) => self.spiking(&*equation, gradient),
            None => Ok(equation),
        }
    }

    /// `equation` with the derivative `gradient` of its spikes.
    fn spiking(
        &self,
        equation: &dyn Differentiable,
        gradient: SpikeGradient,
    ) -> Result<Box<dyn Differentiable>, CalibrationError> {
        with_gradient(equation, gradient).ok_or_else(|| CalibrationError::NoSpikes {
            twin: self.name(),
            device: equation.interface().device.clone(),
        })
    }

    /// The name, as recipes have it, of a twin that is made of an equation.
    fn name(&self) -> &'static str {
        match self {
            Self::LearnedPhysics(_) => "learned_physics",
            Self::Hybrid(_) => "hybrid",
            Self::Surrogate(_) => "surrogate",
            Self::SpikeTrain(_) => "spike_train",
            _ => "physics",
        }
    }
}

fn network_summary(history: &FitHistory) -> FitSummary {
    let errors = history.validation.iter().copied();
    FitSummary::Network { validation_error: errors.fold(f32::INFINITY, f32::min) }
}
