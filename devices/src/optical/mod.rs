//! Optical devices.

mod constants;
mod second_harmonic;

pub use constants::SecondHarmonicConfig;
pub use second_harmonic::SecondHarmonic;
