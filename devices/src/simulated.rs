//! Simulated devices by name: from a configuration to a nominal and a fabricated copy.

use std::path::PathBuf;

use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::electronic::{Crossbar, CrossbarConfig, Transistor, TransistorConfig};
use crate::imperfections::{self, Drift, ImperfectionsConfig};
use crate::mechanical::{
    Oscillators, OscillatorsConfig, Pendula, PendulaConfig, Plate, PlateConfig,
};
use crate::neuromorphic::{LearningChip, LearningChipConfig, LifChip, LifChipConfig};
use crate::optical::{
    CoherentStack, CoherentStackConfig, Diffractive, DiffractiveConfig, MicroringBank,
    MicroringBankConfig, MziMesh, MziMeshConfig, SecondHarmonic, SecondHarmonicConfig,
};
use crate::{DeviceError, Differentiable, Interface, PhysicalLayer};

/// The physics of a simulated device; in a recipe, the table's last name:
/// `[devices.NAME.model.second_harmonic]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeviceKind {
    /// Broadband second-harmonic generation of a shaped pulse.
    SecondHarmonic(SecondHarmonicConfig),
    /// Coupled nonlinear oscillators, all to all.
    Oscillators(OscillatorsConfig),
    /// A chain of coupled pendula.
    Pendula(PendulaConfig),
    /// A driven multimode plate.
    Plate(PlateConfig),
    /// A transistor under a resonant branch.
    Transistor(TransistorConfig),
    /// A memristive crossbar tile.
    Crossbar(CrossbarConfig),
    /// A mesh of Mach-Zehnder interferometers.
    MziMesh(MziMeshConfig),
    /// A coherent stack of such meshes, read only at its end.
    CoherentStack(CoherentStackConfig),
    /// Banks of microrings that weigh wavelength channels.
    MicroringBank(MicroringBankConfig),
    /// Masks of phases with free space between them.
    Diffractive(DiffractiveConfig),
    /// A chip of leaky integrate-and-fire neurons.
    LifChip(LifChipConfig),
    /// A spiking chip that learns.
    LearningChip(LearningChipConfig),
}

impl DeviceKind {
    /// Every kind, with its standard configuration.
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![
            Self::SecondHarmonic(SecondHarmonicConfig::default()),
            Self::Oscillators(OscillatorsConfig::default()),
            Self::Pendula(PendulaConfig::default()),
            Self::Plate(PlateConfig::default()),
            Self::Transistor(TransistorConfig::default()),
            Self::Crossbar(CrossbarConfig::default()),
            Self::MziMesh(MziMeshConfig::default()),
            Self::CoherentStack(CoherentStackConfig::default()),
            Self::MicroringBank(MicroringBankConfig::default()),
            Self::Diffractive(DiffractiveConfig::default()),
            Self::LifChip(LifChipConfig::default()),
            Self::LearningChip(LearningChipConfig::default()),
        ]
    }

    /// Parameters in the device's units with which its matrices are uniformly random unitaries; `None` for a device that
    /// is no mesh of that kind.
    pub fn haar_start(&self, random: &mut impl Rng) -> Option<Vec<f32>> {
        match self {
            Self::CoherentStack(config) => Some(config.haar_phases(random)),
            _ => None,
        }
    }

    /// Weights of the variance 3 / fan-in, within ±1, as parameters; `None` for a device that is no network of neurons.
    pub fn weights_by_fan_in(&self, random: &mut impl Rng) -> Option<Vec<f32>> {
        match self {
            Self::LearningChip(config) => Some(config.first_weights(random)),
            _ => None,
        }
    }

    /// Paths of the files and folders that its configuration names.
    pub fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::CoherentStack(config) => {
                let files = config.error_files.iter_mut();
                files
                    .flat_map(|files| [&mut files.splitters, &mut files.phases])
                    .flatten()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Its name in recipes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name_and_description().0
    }

    /// What it is, in one line.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.name_and_description().1
    }

    fn name_and_description(&self) -> (&'static str, &'static str) {
        match self {
            Self::SecondHarmonic(_) => (
                "second_harmonic",
                "optical: broadband second-harmonic generation of a shaped pulse",
            ),
            Self::Oscillators(_) => {
                ("oscillators", "mechanical: coupled nonlinear oscillators, all to all")
            }
            Self::Pendula(_) => ("pendula", "mechanical: a chain of coupled pendula"),
            Self::Plate(_) => ("plate", "mechanical: a driven plate of many modes"),
            Self::Transistor(_) => {
                ("transistor", "electronic: a transistor under a resonant branch")
            }
            Self::Crossbar(_) => ("crossbar", "electronic: a memristive crossbar tile"),
            Self::MziMesh(_) => ("mzi_mesh", "optical: a mesh of Mach-Zehnder interferometers"),
            Self::CoherentStack(_) => {
                ("coherent_stack", "optical: meshes with activations between them, read at the end")
            }
            Self::MicroringBank(_) => {
                ("microring_bank", "optical: banks of microrings that weigh wavelength channels")
            }
            Self::LifChip(_) => {
                ("lif_chip", "neuromorphic: recurrent leaky integrate-and-fire neurons")
            }
            Self::Diffractive(_) => {
                ("diffractive", "optical: masks of phases with free space between them")
            }
            Self::LearningChip(_) => {
                ("learning_chip", "neuromorphic: spiking neurons and error neurons, for emstdp")
            }
        }
    }
}

/// A simulated device: its physics and what the laboratory adds to it. The crate's front page has an
/// example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceConfig {
    /// The physics.
    pub model: DeviceKind,
    /// The imperfections of the true device.
    #[serde(default)]
    pub imperfections: ImperfectionsConfig,
}

/// A fabricated device with its exact and its nominal equation.
pub struct SimulatedDevice {
    /// The device of the laboratory: fabricated, noisy, quantised.
    pub device: Box<dyn PhysicalLayer>,
    /// The same fabricated constants without noise or drift: the exact gradient, for `ideal` training.
    pub exact: Box<dyn Differentiable>,
    /// The nominal equation, which the laboratory believes.
    pub nominal: Box<dyn Differentiable>,
}

impl DeviceConfig {
    /// Fabricates a copy of the device; `seed` draws its mismatch and its noise.
    ///
    /// # Errors
    /// [`DeviceError::Config`] where the configuration describes no possible device.
    pub fn fabricate(&self, seed: u64) -> Result<SimulatedDevice, DeviceError> {
        let mismatch = self.imperfections.mismatch;
        match &self.model {
            DeviceKind::SecondHarmonic(config) => {
                let nominal = SecondHarmonic::nominal(config)?;
                self.copies(seed, nominal, || SecondHarmonic::fabricated(config, mismatch, seed))
            }
            DeviceKind::Oscillators(config) => {
                let nominal = Oscillators::nominal(config);
                self.copies(seed, nominal, || Ok(Oscillators::fabricated(config, mismatch, seed)))
            }
            DeviceKind::Pendula(config) => {
                let nominal = Pendula::nominal(config);
                self.copies(seed, nominal, || Ok(Pendula::fabricated(config, mismatch, seed)))
            }
            DeviceKind::Plate(config) => {
                let nominal = Plate::nominal(config)?;
                self.copies(seed, nominal, || Plate::fabricated(config, mismatch, seed))
            }
            DeviceKind::Transistor(config) => {
                let nominal = Transistor::nominal(config)?;
                self.copies(seed, nominal, || Transistor::fabricated(config, mismatch, seed))
            }
            DeviceKind::Crossbar(config) => {
                let nominal = Crossbar::nominal(config)?;
                self.copies(seed, nominal, || Crossbar::fabricated(config, mismatch, seed))
            }
            DeviceKind::MziMesh(config) => {
                let nominal = MziMesh::nominal(config)?;
                self.copies(seed, nominal, || MziMesh::fabricated(config, mismatch, seed))
            }
            DeviceKind::CoherentStack(config) => {
                let nominal = CoherentStack::nominal(config)?;
                self.copies(seed, nominal, || CoherentStack::fabricated(config, mismatch, seed))
            }
            DeviceKind::MicroringBank(config) => {
                let nominal = MicroringBank::nominal(config)?;
                self.copies(seed, nominal, || MicroringBank::fabricated(config, mismatch, seed))
            }
            DeviceKind::LifChip(config) => {
                let nominal = LifChip::nominal(config)?;
                self.copies(seed, nominal, || LifChip::fabricated(config, mismatch, seed))
            }
            DeviceKind::Diffractive(config) => {
                let nominal = Diffractive::nominal(config)?;
                self.copies(seed, nominal, || Diffractive::fabricated(config, mismatch, seed))
            }
            DeviceKind::LearningChip(config) => {
                let nominal = LearningChip::nominal(config)?;
                self.copies(seed, nominal, || LearningChip::fabricated(config, mismatch, seed))
            }
        }
    }

    /// The fabricated device with the laboratory's imperfections and without, and the nominal one.
    fn copies<D: Differentiable + 'static>(
        &self,
        seed: u64,
        nominal: D,
        fabricate: impl Fn() -> Result<D, DeviceError>,
    ) -> Result<SimulatedDevice, DeviceError> {
        let config = &self.imperfections;
        let device = fabricate()?;
        self.check_rasters(device.interface())?;
        let device = match &config.drift {
            Some(drift) => {
                let device = Drift::new(device, drift, seed);
                imperfections::wrap(device, config, seed)
            }
            None => imperfections::wrap(device, config, seed),
        };
        Ok(SimulatedDevice { device, exact: Box::new(fabricate()?), nominal: Box::new(nominal) })
    }

    /// Refuses noise on rasters, whose cells are 0 or 1.
    fn check_rasters(&self, interface: &Interface) -> Result<(), DeviceError> {
        let ImperfectionsConfig { input_noise, readout_noise, shot_noise, .. } = self.imperfections;
        let key = if input_noise > 0.0 && interface.inputs.has_raster() {
            "input_noise"
        } else if readout_noise.max(shot_noise) > 0.0 && interface.outputs.has_raster() {
            if readout_noise > 0.0 { "readout_noise" } else { "shot_noise" }
        } else {
            return Ok(());
        };
        Err(DeviceError::Config {
            device: interface.device.clone(),
            problem: format!(
                "imperfections.{key} would change cells of a raster, which are 0 or 1; set `spike_loss`, `spike_jitter` or `membrane_noise` of its model instead"
            ),
        })
    }
}
