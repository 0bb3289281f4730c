//! Optical devices.

mod coherent_stack;
mod diffractive;
mod microring_bank;
mod mzi_mesh;
mod rows;
mod second_harmonic;

pub use coherent_stack::{
    CoherentStack, CoherentStackConfig, ErrorFiles, Modulators, StackConstants, StackMatrices,
    StackReadout,
};
pub use diffractive::{Diffractive, DiffractiveConfig, DiffractiveConstants};
pub use microring_bank::{MicroringBank, MicroringBankConfig, MicroringConstants, Ring};
pub use mzi_mesh::{MeshConstants, MziMesh, MziMeshConfig};
pub use second_harmonic::{SecondHarmonic, SecondHarmonicConfig, SecondHarmonicConstants};
