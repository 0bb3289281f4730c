//! Optical devices.

mod constants;
mod mzi_mesh;
mod second_harmonic;

pub use constants::SecondHarmonicConfig;
pub use mzi_mesh::{MziMesh, MziMeshConfig};
pub use second_harmonic::SecondHarmonic;
