//! Noise that the trainer adds, the same in every run with one seed.

use burn::tensor::{Device, Tensor};
use twinprop_calibration::tensors::Draws;

use super::BatchPosition;

/// A source of noise: the experiment's seed, and the noise's purpose.
pub(super) struct NoiseSource {
    seed: u64,
    purpose: String,
}

impl NoiseSource {
    pub(super) fn new(seed: u64, purpose: String) -> Self {
        Self { seed, purpose }
    }

    /// Standard normal numbers `[rows, columns]` at `position`, `rows_a_sample` rows for each sample.
    pub(super) fn normal(
        &self,
        position: BatchPosition,
        rows_a_sample: usize,
        shape: [usize; 2],
        device: &Device,
    ) -> Tensor<2> {
        let draws = Draws::new(self.seed, position.rows_before(rows_a_sample));
        draws.normal(&self.purpose, shape, device)
    }

    /// Ones with probability `share` and zeros otherwise, `[samples, columns]` at `position`.
    pub(super) fn mask(
        &self,
        position: BatchPosition,
        share: f64,
        shape: [usize; 2],
        device: &Device,
    ) -> Tensor<2> {
        let draws = Draws::new(self.seed, position.rows_before(1));
        draws.uniform(&self.purpose, shape, device).lower_scalar(share).float()
    }
}
