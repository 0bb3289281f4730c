//! A stack's channels and constants, and its meshes at a setting.

use std::f32::consts::PI;

use rayon::prelude::*;

use super::activation::Activation;
use super::config::{CoherentStackConfig, StackReadout};
use super::errors::Errors;
use super::interferometer::{Interferometer, Splitters};
use super::mesh::{Mesh, MeshSlopes, places};
use super::modulators::Modulators;
use crate::{Channels, Constant, DeviceError, Interface, random};

/// A coherent stack: nominal, or as built.
#[derive(Clone, Debug)]
pub struct CoherentStack {
    pub(super) interface: Interface,
    pub(super) modes: usize,
    pub(super) meshes: usize,
    pub(super) modulators: Modulators,
    pub(super) activation: Activation,
    pub(super) readout: StackReadout,
    crosstalk: f32,
    errors: Errors,
    /// Of each interferometer, from its δ.
    splitters: Vec<Splitters>,
    /// s of each detector.
    pub(super) sensitivity: Vec<f32>,
}

impl CoherentStack {
    /// The stack as designed: perfect.
    ///
    /// # Errors
    /// [`DeviceError::Config`] for meshes of one mode.
    pub fn nominal(config: &CoherentStackConfig) -> Result<Self, DeviceError> {
        Self::with_errors(
            config,
            0.0,
            Errors::none(interferometers(config)),
            vec![1.0; config.modes],
        )
    }

    /// A copy with the configuration's errors, and with detectors off by a relative normal deviate of standard deviation
    /// `mismatch`, all drawn from `seed`.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal), and a file with errors that cannot be read.
    pub fn fabricated(
        config: &CoherentStackConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        let mut random = random::stream(seed, "fabrication");
        let sensitivity = (0..config.modes)
            .map(|_| (1.0 + mismatch * random::deviate(&mut random)).max(0.1) as f32)
            .collect();
        let errors = Errors::of(config, &mut random)?;
        Self::with_errors(config, config.crosstalk, errors, sensitivity)
    }

    fn with_errors(
        config: &CoherentStackConfig,
        crosstalk: f64,
        errors: Errors,
        sensitivity: Vec<f32>,
    ) -> Result<Self, DeviceError> {
        let CoherentStackConfig { modes, meshes, modulators, readout, .. } = *config;
        if modes < 2 {
            return Err(DeviceError::Config {
                device: "coherent_stack".to_owned(),
                problem: "modes = 1 leaves no interferometer; ask for two or more".to_owned(),
            });
        }
        let (largest, count) = (config.largest_drive as f32, interferometers(config));
        let phases = |name: &str, count| Channels::bank(name, count, "rad", -PI, 3.0 * PI);
        let full_scale = match readout {
            StackReadout::AutoRange => 1.0,
            StackReadout::FullScale(power) => power as f32,
        };
        let mut stack = Self {
            interface: Interface {
                device: "coherent_stack".to_owned(),
                inputs: modulators.channels(modes, largest),
                parameters: phases("theta", count)
                    .and(phases("phi", count))
                    .and(phases("gamma", meshes * modes)),
                outputs: Channels::bank("power", modes, "1", -0.05 * full_scale, full_scale),
                seconds_per_shot: config.seconds_per_shot,
            },
            modes,
            meshes,
            modulators,
            activation: Activation::new(config),
            readout,
            crosstalk: crosstalk as f32,
            errors,
            splitters: Vec::new(),
            sensitivity,
        };
        stack.set_splitters();
        Ok(stack)
    }

    /// Its constants that can be learned.
    pub(super) fn all_constants(&self) -> Vec<Constant> {
        let Errors { splitters, theta, phi, .. } = &self.errors;
        Constant::bank("splitter", splitters)
            .chain(Constant::bank("theta", theta))
            .chain(Constant::bank("phi", phi))
            .chain(Constant::bank("sensitivity", &self.sensitivity))
            .collect()
    }

    /// Sets them, in the same order.
    pub(super) fn set_all_constants(&mut self, values: &[f32]) {
        let count = self.splitters.len();
        let (splitters, rest) = values.split_at(2 * count);
        let (theta, rest) = rest.split_at(count);
        let (phi, sensitivity) = rest.split_at(count);
        self.errors.splitters.copy_from_slice(splitters);
        self.errors.theta.copy_from_slice(theta);
        self.errors.phi.copy_from_slice(phi);
        self.sensitivity.copy_from_slice(sensitivity);
        self.set_splitters();
    }

    fn set_splitters(&mut self) {
        let of = self.errors.splitters.chunks_exact(2);
        self.splitters = of.map(|of| Splitters::new(of[0], of[1])).collect();
    }

    /// The meshes at the phases `parameters`.
    pub(super) fn at(&self, parameters: &[f32]) -> Vec<Mesh> {
        let count = self.splitters.len();
        let (theta, rest) = parameters.split_at(count);
        let (phi, gamma) = rest.split_at(count);
        let (theta, phi) = (self.heat(theta), self.heat(phi));
        let each = count / self.meshes;
        let errors = &self.errors;
        (0..self.meshes)
            .into_par_iter()
            .map(|mesh| {
                let interferometers = (mesh * each..(mesh + 1) * each).map(|one| {
                    let (theta, phi) = (theta[one] + errors.theta[one], phi[one] + errors.phi[one]);
                    Interferometer::new(self.splitters[one], theta, phi, errors.transmission[one])
                });
                Mesh::new(interferometers.collect(), &gamma[mesh * self.modes..][..self.modes])
            })
            .collect()
    }

    /// Phases of one kind with the crosstalk of their neighbours in the column; symmetric, so its own adjoint.
    fn heat(&self, phases: &[f32]) -> Vec<f32> {
        let mut heated = phases.to_vec();
        if self.crosstalk == 0.0 {
            return heated;
        }
        let mut first = 0;
        for column in (0..self.meshes).flat_map(|_| 0..self.modes) {
            let end = first + places(self.modes, column).count();
            for place in first..end {
                if place > first {
                    heated[place] += self.crosstalk * phases[place - 1];
                }
                if place + 1 < end {
                    heated[place] += self.crosstalk * phases[place + 1];
                }
            }
            first = end;
        }
        heated
    }
}

/// Interferometers of a stack.
fn interferometers(config: &CoherentStackConfig) -> usize {
    config.meshes * config.modes * config.modes.saturating_sub(1) / 2
}

/// Cotangents of the parameters, and of the constants but the sensitivities, from the derivatives of each mesh.
pub(super) struct OfMeshes {
    pub parameters: Vec<f32>,
    pub constants: Vec<f32>,
}

impl OfMeshes {
    pub fn new(stack: &CoherentStack, meshes: &[MeshSlopes]) -> Self {
        let all = |of: fn(&MeshSlopes) -> &[f32]| -> Vec<f32> {
            meshes.iter().flat_map(|mesh| of(mesh).iter().copied()).collect()
        };
        let (theta, phi) = (all(|mesh| &mesh.theta), all(|mesh| &mesh.phi));
        let gamma = all(|mesh| &mesh.gamma);
        let parameters = [stack.heat(&theta), stack.heat(&phi), gamma].concat();
        Self { parameters, constants: [all(|mesh| &mesh.splitters), theta, phi].concat() }
    }
}
