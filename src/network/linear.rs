//! A digital layer: every output a weighted sum of all inputs.

use burn::tensor::{Device, Tensor};
use rand_distr::{Distribution, StandardNormal};
use twinprop_calibration::bridge::from_vec;
use twinprop_devices::{DeviceError, random};

use super::{Laboratory, Matrix, Source, Stage};

/// y = x W + b, with W `[width in, width out]`.
pub struct Linear {
    weight: Tensor<2>,
    bias: Tensor<2>,
}

impl Linear {
    /// From `width_in` to `width_out`; weights start normal with a deviation of 1/√(width in), drawn for
    /// the stage at `place` from `seed`, and the bias at zero.
    #[must_use]
    pub fn new(
        width_in: usize,
        width_out: usize,
        (seed, place): (u64, usize),
        device: &Device,
    ) -> Self {
        let random = &mut random::stream(seed, &format!("linear {place}"));
        let deviation = (width_in as f32).sqrt().recip();
        let weight = (0..width_in * width_out)
            .map(|_| deviation * Distribution::<f32>::sample(&StandardNormal, random))
            .collect();
        Self {
            weight: from_vec(weight, [width_in, width_out], device),
            bias: Tensor::zeros([1, width_out], device),
        }
    }
}

impl Stage for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn forward(
        &self,
        x: &Tensor<2>,
        _laboratory: &mut Laboratory,
        _source: Source,
    ) -> Result<Tensor<2>, DeviceError> {
        Ok(x.clone().matmul(self.weight.clone()) + self.bias.clone())
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        let dparameters = self.parameter_gradients(x, dy.clone(), laboratory);
        (self.input_cotangent(x, dy, laboratory), dparameters)
    }

    fn parameter_gradients(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _laboratory: &Laboratory,
    ) -> Vec<Tensor<2>> {
        vec![x.clone().transpose().matmul(dy.clone()), dy.sum_dim(0)]
    }

    fn input_cotangent(
        &self,
        _x: &Tensor<2>,
        dy: Tensor<2>,
        _laboratory: &Laboratory,
    ) -> Tensor<2> {
        dy.matmul(self.weight.clone().transpose())
    }

    fn mixes(&self) -> bool {
        true
    }

    fn matrix(&self) -> Option<Matrix> {
        Some(Matrix { parameter: 0, weights: self.weight.clone(), gain: 1.0 })
    }

    fn parameters(&self) -> Vec<(&'static str, &Tensor<2>)> {
        vec![("weight", &self.weight), ("bias", &self.bias)]
    }

    fn state_mut(&mut self) -> (Vec<&mut Tensor<2>>, Vec<&mut Tensor<2>>) {
        (vec![&mut self.weight, &mut self.bias], Vec::new())
    }

    fn multiply_adds(&self) -> u64 {
        self.weight.dims().iter().product::<usize>() as u64
    }
}
