//! Noise of the trainer's own, the same in every run of a seed.

use burn::tensor::{Device, Tensor};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use twinprop_calibration::bridge::from_vec;
use twinprop_devices::random;

/// Where noise comes from: the seed of everything, and what it is for.
pub(super) struct NoiseSource {
    seed: u64,
    purpose: String,
}

impl NoiseSource {
    pub(super) fn new(seed: u64, purpose: String) -> Self {
        Self { seed, purpose }
    }

    /// Standard normal numbers `[rows, columns]` of training step `step`.
    pub(super) fn normal(&self, step: u64, shape: [usize; 2], device: &Device) -> Tensor<2> {
        self.draw(step, shape, device, |random| StandardNormal.sample(random))
    }

    /// Ones `[rows, columns]` of training step `step` with probability `share`, and zeros.
    pub(super) fn kept(
        &self,
        step: u64,
        share: f64,
        shape: [usize; 2],
        device: &Device,
    ) -> Tensor<2> {
        self.draw(step, shape, device, |random| f32::from(u8::from(random.random_bool(share))))
    }

    fn draw(
        &self,
        step: u64,
        shape: [usize; 2],
        device: &Device,
        sample: impl Fn(&mut ChaCha8Rng) -> f32 + Sync,
    ) -> Tensor<2> {
        let [rows, columns] = shape;
        let mut noise = vec![0.0; rows * columns];
        let random = random::stream(self.seed, &self.purpose);
        random::each_shot(&random, step * rows as u64, columns, &mut noise, |random, _, noise| {
            for value in noise {
                *value = sample(random);
            }
        });
        from_vec(noise, shape, device)
    }
}
