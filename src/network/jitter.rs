//! Noise that the trainer adds to drives.

use burn::tensor::Tensor;

use super::noise::NoiseSource;
use super::{BatchPosition, Cotangents, DigitalStage, StageSeed, Wanted};

/// y = x + σ n with n drawn for every value of every training step, and y = x outside of training.
///
/// The backward pass does not see a device's own noise: it runs through the twin at the drives without noise, so the
/// network does not learn to damp noise. Noise that is added to the drives is part of them: the twin is differentiated
/// at the noisy point, which to second order is a penalty on the gain (Bishop 1995, eq. 12).
pub struct Jitter {
    deviation: f32,
    noise: NoiseSource,
}

impl Jitter {
    /// Noise of standard deviation `deviation`, in the unit of the values.
    #[must_use]
    pub fn new(deviation: f64, StageSeed { seed, place }: StageSeed) -> Self {
        let noise = NoiseSource::new(seed, format!("jitter of stage {place}"));
        Self { deviation: deviation as f32, noise }
    }
}

impl DigitalStage for Jitter {
    fn kind(&self) -> &'static str {
        "jitter"
    }

    fn forward(&self, x: &Tensor<2>, position: Option<BatchPosition>) -> Tensor<2> {
        let Some(position) = position else { return x.clone() };
        x.clone() + self.noise.normal(position, 1, x.dims(), &x.device()) * self.deviation
    }

    fn vjp(
        &self,
        _x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        Cotangents::of_input(dy)
    }
}
