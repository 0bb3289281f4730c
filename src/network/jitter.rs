//! Noise that the trainer adds, and therefore knows.

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use super::noise::NoiseSource;
use super::{Laboratory, Source, Stage};

/// y = x + σ n with n drawn for every value of every training step, and y = x otherwise.
///
/// A device's own noise is not seen by the backward pass, which runs through the twin at the drives
/// that were asked for; so nothing teaches the network not to amplify it. Noise that is added to the
/// drives is part of them: the twin is differentiated at the noisy point, which to second order is a
/// penalty on the gain (Bishop 1995, eq. 12).
pub struct Jitter {
    deviation: f32,
    noise: NoiseSource,
}

impl Jitter {
    /// Noise of standard deviation `deviation`, in the unit of the values; `place` is the stage's.
    #[must_use]
    pub fn new(deviation: f64, seed: u64, place: usize) -> Self {
        let noise = NoiseSource::new(seed, format!("jitter of stage {place}"));
        Self { deviation: deviation as f32, noise }
    }
}

impl Stage for Jitter {
    fn kind(&self) -> &'static str {
        "jitter"
    }

    fn forward(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
        _source: Source,
    ) -> Result<Tensor<2>, DeviceError> {
        let Some(moment) = laboratory.moment else { return Ok(x.clone()) };
        Ok(x.clone() + self.noise.normal(moment, 1, x.dims(), &x.device()) * self.deviation)
    }

    fn vjp(
        &self,
        _x: &Tensor<2>,
        dy: Tensor<2>,
        _laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        (dy, Vec::new())
    }
}
