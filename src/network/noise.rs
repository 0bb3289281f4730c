//! Noise that the trainer adds, the same in every run with one seed.

use burn::tensor::{Device, Tensor};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use twinprop_calibration::bridge::{from_vec, is_cpu};
use twinprop_calibration::tensors::Draws;
use twinprop_devices::random;

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
        if let Some(draws) = self.draws(position, rows_a_sample, device) {
            return draws.normal(&self.purpose, shape, device);
        }
        let normal = |random: &mut ChaCha8Rng| StandardNormal.sample(random);
        self.draw(position, rows_a_sample, shape, device, normal)
    }

    /// Ones with probability `share` and zeros otherwise, `[samples, columns]` at `position`.
    pub(super) fn mask(
        &self,
        position: BatchPosition,
        share: f64,
        shape: [usize; 2],
        device: &Device,
    ) -> Tensor<2> {
        if let Some(draws) = self.draws(position, 1, device) {
            let drawn = draws.uniform(&self.purpose, shape, device);
            return drawn.lower_scalar(share).float();
        }
        let mask = |random: &mut ChaCha8Rng| f32::from(u8::from(random.random_bool(share)));
        self.draw(position, 1, shape, device, mask)
    }

    /// Numbers that are drawn where they are used; `None` on the CPU, where [`random::stream`] draws.
    fn draws(
        &self,
        position: BatchPosition,
        rows_a_sample: usize,
        device: &Device,
    ) -> Option<Draws> {
        (!is_cpu(device)).then(|| Draws::new(self.seed, position.rows_before(rows_a_sample)))
    }

    fn draw(
        &self,
        position: BatchPosition,
        rows_a_sample: usize,
        shape: [usize; 2],
        device: &Device,
        sample: impl Fn(&mut ChaCha8Rng) -> f32 + Sync,
    ) -> Tensor<2> {
        let [rows, columns] = shape;
        let mut noise = vec![0.0; rows * columns];
        let random = random::stream(self.seed, &self.purpose);
        random::each_shot(
            &random,
            position.rows_before(rows_a_sample),
            columns,
            &mut noise,
            |random, _, noise| {
                for value in noise {
                    *value = sample(random);
                }
            },
        );
        from_vec(noise, shape, device)
    }
}
