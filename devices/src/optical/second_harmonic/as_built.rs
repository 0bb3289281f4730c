//! The constants of one copy's equation, for code that computes it by other means.

use rustfft::num_complex::Complex32;

use super::{READING, SecondHarmonic};

/// The constants of one copy's equation; the drives of the trained channels are parameters.
#[derive(Clone, Debug)]
pub struct SecondHarmonicConstants<'a> {
    /// Spectral channel of each data channel, then of each parameter.
    pub placement: &'a [usize],
    /// A exp(iφ) of each spectral channel.
    pub spectrum: &'a [Complex32],
    /// κ of each spectral channel, in quarter waves per unit of drive.
    pub response: &'a [f32],
    /// Bin of each second-harmonic frequency.
    pub bin: &'a [usize],
    /// Weight of each frequency's Σ E_k E_l, squared, in the reading of its bin: Γ² g c over the number of the bin's
    /// frequencies.
    pub detection: Vec<f32>,
    /// Number of bins.
    pub bins: usize,
    /// Reading at which a bin saturates.
    pub full_scale: f32,
}

impl SecondHarmonic {
    /// The constants of this copy's equation, for code that computes it by other means.
    #[must_use]
    pub fn as_built(&self) -> SecondHarmonicConstants<'_> {
        let equation = self.equation();
        let frequencies = equation.constants.matching.iter().zip(&equation.bin);
        SecondHarmonicConstants {
            placement: &equation.placement,
            spectrum: &equation.constants.spectrum,
            response: &equation.constants.response,
            bin: &equation.bin,
            detection: frequencies.map(|(matching, &bin)| matching * equation.gain[bin]).collect(),
            bins: equation.gain.len(),
            full_scale: READING.1,
        }
    }
}
