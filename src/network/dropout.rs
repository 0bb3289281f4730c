//! Dropout (Srivastava et al., JMLR 15, 1929, 2014): in every training step some values are left out at random.

use burn::tensor::Tensor;

use super::noise::NoiseSource;
use super::{BatchPosition, Cotangents, DigitalStage, StageSeed, Wanted};

/// y = m x / (1 − rate), each m zero with probability `rate` and one otherwise, drawn for every value
/// of every training step; y = x outside of training.
pub struct Dropout {
    rate: f64,
    noise: NoiseSource,
}

impl Dropout {
    /// Leaves out the share `rate` of the values, from zero to less than one.
    #[must_use]
    pub fn new(rate: f64, StageSeed { seed, place }: StageSeed) -> Self {
        Self { rate, noise: NoiseSource::new(seed, format!("dropout of stage {place}")) }
    }

    fn masked(&self, values: Tensor<2>, position: Option<BatchPosition>) -> Tensor<2> {
        let Some(position) = position else { return values };
        let mask = self.noise.mask(position, 1.0 - self.rate, values.dims(), &values.device());
        values * mask / (1.0 - self.rate)
    }
}

impl DigitalStage for Dropout {
    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn forward(&self, x: &Tensor<2>, position: Option<BatchPosition>) -> Tensor<2> {
        self.masked(x.clone(), position)
    }

    fn vjp(
        &self,
        _x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        position: Option<BatchPosition>,
    ) -> Cotangents {
        Cotangents::of_input(self.masked(dy, position))
    }
}
