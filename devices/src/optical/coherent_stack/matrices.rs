//! A stack as matrices and constants, for a computation of its equation elsewhere.

use nalgebra::DVector;
use rayon::prelude::*;

use super::activation::Activation;
use super::config::StackReadout;
use super::mesh::Mesh;
use super::modulators::Modulators;
use super::pass::FLOOR;
use super::stack::{CoherentStack, OfMeshes};
use crate::DeviceError;

/// What a stack's equation has beside its meshes.
#[derive(Clone, Debug, PartialEq)]
pub struct StackConstants {
    /// Modes N of each mesh.
    pub modes: usize,
    /// How its drives set the amplitudes x.
    pub modulators: Modulators,
    /// How its detectors are read.
    pub readout: StackReadout,
    /// √(1 − α) of an activation.
    pub kept: f32,
    /// g / 2 of an activation, in rad.
    pub half_gain: f32,
    /// φ_b / 2 of an activation: its sine and cosine.
    pub half_bias: (f32, f32),
    /// s of each detector.
    pub sensitivity: Vec<f32>,
    /// Smallest ‖s ∘ |z|²‖₂ by which readings are divided.
    pub floor: f32,
}

/// A stack's meshes at one setting of its phases.
pub struct StackMatrices {
    stack: CoherentStack,
    meshes: Vec<Mesh>,
}

impl CoherentStack {
    /// What its equation has beside its meshes.
    #[must_use]
    pub fn as_built(&self) -> StackConstants {
        let Activation { kept, half_gain, bias } = self.activation;
        StackConstants {
            modes: self.modes,
            modulators: self.modulators,
            readout: self.readout,
            kept,
            half_gain,
            half_bias: bias,
            sensitivity: self.sensitivity.clone(),
            floor: FLOOR,
        }
    }

    /// Multiply-adds of the meshes' matrices, which are made once a setting: an interferometer mixes two rows of N complex
    /// numbers by a complex 2 × 2 matrix.
    #[must_use]
    pub fn multiply_adds_a_setting(&self) -> u64 {
        let (modes, meshes) = (self.modes as u64, self.meshes as u64);
        meshes * modes * modes.saturating_sub(1) / 2 * modes * 16
    }

    /// Its meshes at `parameters`, from the first to the last.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] for another number of parameters.
    pub fn matrices(&self, parameters: &DVector<f32>) -> Result<StackMatrices, DeviceError> {
        let phases = self.interface.parameters.len();
        self.interface.check_size("parameters", phases, parameters.len())?;
        Ok(StackMatrices { stack: self.clone(), meshes: self.at(parameters.as_slice()) })
    }
}

impl StackMatrices {
    /// M of each mesh, `[2 N × 2 N]`, a column after the other, between amplitudes with all real parts before the
    /// imaginary ones.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.meshes.iter().map(|mesh| mesh.matrix.as_slice())
    }

    /// Cotangents of the parameters from those of the matrices, `[2 N × 2 N]` each, a column after the other.
    ///
    /// # Panics
    /// For another number or size of matrices.
    #[must_use]
    pub fn parameter_cotangents(&self, of_matrices: &[Vec<f32>]) -> Vec<f32> {
        assert_eq!(of_matrices.len(), self.meshes.len(), "a cotangent a mesh");
        let meshes = self.meshes.par_iter().zip(of_matrices).map(|(mesh, of)| mesh.slopes(of));
        OfMeshes::new(&self.stack, &meshes.collect::<Vec<_>>()).parameters
    }
}
