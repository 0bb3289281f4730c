//! Data and parameters as the samples of one waveform, in tensors.

use burn::tensor::{Device, Int, Tensor};

use super::equation::{join, split};
use super::sums::shot_sums;

/// Where the data and the parameters stand in a waveform.
#[derive(Clone)]
pub(super) struct Waveform {
    inputs: usize,
    /// Sample of each data value, then of each parameter.
    placement: Tensor<1, Int>,
    /// The value, data before parameters, of each sample.
    order: Tensor<1, Int>,
}

impl Waveform {
    /// That of `placement`, the sample of each of `inputs` data values and then of each parameter.
    pub(super) fn new(placement: &[usize], inputs: usize, backend: &Device) -> Self {
        let mut order = vec![0; placement.len()];
        for (value, &sample) in placement.iter().enumerate() {
            order[sample] = value as i64;
        }
        let placement: Vec<i64> = placement.iter().map(|&sample| sample as i64).collect();
        let places = |values: &[i64]| Tensor::<1, Int>::from_data(values, backend);
        Self { inputs, placement: places(&placement), order: places(&order) }
    }

    /// The waveform of each shot, `[settings · shots, samples]`.
    pub(super) fn with_data(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let [settings, parameters] = theta.dims();
        let shots = x.dims()[0] / settings;
        let of_shots = join(theta.reshape([settings, 1, parameters]).repeat_dim(1, shots));
        Tensor::cat(vec![x, of_shots], 1).select(1, self.order.clone())
    }

    /// Cotangents of `x` and of `theta` from those of the waveform.
    pub(super) fn gather(&self, of_waveform: Tensor<2>, settings: usize) -> (Tensor<2>, Tensor<2>) {
        let of_values = of_waveform.select(1, self.placement.clone());
        let parameters = of_values.dims()[1] - self.inputs;
        let of_x = of_values.clone().narrow(1, 0, self.inputs);
        let of_shots = of_values.narrow(1, self.inputs, parameters);
        (of_x, shot_sums(split(of_shots, settings)))
    }
}
