//! A digital layer: every output a weighted sum of all inputs.

use burn::tensor::{Device, Tensor};
use rand_distr::{Distribution, StandardNormal};
use twinprop_calibration::bridge::from_vec;
use twinprop_devices::random;

use super::{
    BatchPosition, Cotangents, DigitalStage, Matrix, StageSeed, StageTensors, StageTensorsMut,
    Wanted,
};

/// y = x W + b, with W `[width in, width out]`.
pub struct Linear {
    weight: Tensor<2>,
    bias: Tensor<2>,
}

impl Linear {
    /// From `width_in` to `width_out`; weights start normal with a standard deviation of 1/√(width in), drawn from
    /// `seed`, and the bias at zero.
    #[must_use]
    pub fn new(width_in: usize, width_out: usize, seed: StageSeed, device: &Device) -> Self {
        Self::of_kind("linear", [width_in, width_out], seed, device)
    }

    /// The same in a stage of the kind `kind`, which has random numbers of its own.
    pub(super) fn of_kind(
        kind: &str,
        shape: [usize; 2],
        StageSeed { seed, place }: StageSeed,
        device: &Device,
    ) -> Self {
        let random = &mut random::stream(seed, &format!("{kind} {place}"));
        let deviation = (shape[0] as f32).sqrt().recip();
        let weights = (0..shape[0] * shape[1])
            .map(|_| deviation * Distribution::<f32>::sample(&StandardNormal, random));
        Self {
            weight: from_vec(weights.collect(), shape, device),
            bias: Tensor::zeros([1, shape[1]], device),
        }
    }

    /// Number of outputs.
    pub(super) fn outputs(&self) -> usize {
        self.weight.dims()[1]
    }
}

impl DigitalStage for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        x.clone().matmul(self.weight.clone()) + self.bias.clone()
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let parameters = if wanted.parameters() {
            vec![x.clone().transpose().matmul(dy.clone()), dy.clone().sum_dim(0)]
        } else {
            Vec::new()
        };
        let input = wanted.input().then(|| dy.matmul(self.weight.clone().transpose()));
        Cotangents { input, parameters }
    }

    fn matrix(&self) -> Option<Matrix> {
        Some(Matrix { parameter: 0, weights: self.weight.clone(), gain: 1.0 })
    }

    fn tensors(&self) -> StageTensors<'_> {
        let parameters = vec![("weight", &self.weight), ("bias", &self.bias)];
        StageTensors { parameters, constants: Vec::new() }
    }

    fn tensors_mut(&mut self) -> StageTensorsMut<'_> {
        let parameters = vec![&mut self.weight, &mut self.bias];
        StageTensorsMut { parameters, constants: Vec::new() }
    }

    fn multiply_adds(&self) -> u64 {
        self.weight.dims().iter().product::<usize>() as u64
    }
}
