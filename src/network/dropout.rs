//! Dropout (Srivastava et al., JMLR 15, 1929, 2014): in every training step some values are left out at random.

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use super::noise::NoiseSource;
use super::{Laboratory, Source, Stage};

/// y = m x / (1 − rate), each m zero with probability `rate` and one otherwise, drawn for every value
/// of every training step; y = x otherwise.
pub struct Dropout {
    rate: f64,
    noise: NoiseSource,
}

impl Dropout {
    /// That leaves out the share `rate` of the values, at least zero and less than one; `place` is the
    /// stage's.
    #[must_use]
    pub fn new(rate: f64, seed: u64, place: usize) -> Self {
        Self { rate, noise: NoiseSource::new(seed, format!("dropout of stage {place}")) }
    }

    fn masked(&self, values: Tensor<2>, laboratory: &Laboratory) -> Tensor<2> {
        let Some(moment) = laboratory.moment else { return values };
        let kept = self.noise.kept(moment, 1.0 - self.rate, values.dims(), &values.device());
        values * kept / (1.0 - self.rate)
    }
}

impl Stage for Dropout {
    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn forward(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
        _source: Source,
    ) -> Result<Tensor<2>, DeviceError> {
        Ok(self.masked(x.clone(), laboratory))
    }

    fn vjp(
        &self,
        _x: &Tensor<2>,
        dy: Tensor<2>,
        laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        (self.masked(dy, laboratory), Vec::new())
    }
}
