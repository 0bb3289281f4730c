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

#[cfg(test)]
mod tests {
    use twinprop_calibration::bridge::to_vec;

    use super::*;

    /// Three epochs of seven samples in batches of three, the last of an epoch shorter.
    #[test]
    fn no_sample_of_a_training_repeats_the_numbers_of_another() {
        let (source, device) = (NoiseSource::new(3, "dropout".into()), Device::flex());
        let mut position = BatchPosition::default();
        let mut rows: Vec<Vec<u32>> = Vec::new();
        for samples in [3, 3, 1, 3, 3, 1, 3, 3, 1] {
            let drawn = to_vec(source.normal(position, 2, [2 * samples, 5], &device));
            rows.extend(drawn.chunks(5).map(|row| row.iter().map(|v| v.to_bits()).collect()));
            position = position.after(samples);
        }
        assert_eq!(rows.len(), 2 * 3 * 7);
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), 2 * 3 * 7);
    }
}
