//! Optical devices.

mod mzi_mesh;
mod second_harmonic;

pub use mzi_mesh::{MziMesh, MziMeshConfig};
pub use second_harmonic::{SecondHarmonic, SecondHarmonicConfig};
