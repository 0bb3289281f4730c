//! A digital layer: every output a weighted sum of all inputs.

use burn::tensor::{Device, Tensor};
use rand_distr::{Distribution, StandardNormal};
use twinprop_calibration::bridge::{from_vec, is_cpu, values};
use twinprop_calibration::dense;
use twinprop_devices::random;

use super::{
    BatchPosition, Cotangents, DigitalStage, Matrix, StageSeed, StageTensors, StageTensorsMut,
    Wanted,
};

/// Most samples of products by parts of the weights; with more, cores had better share the samples.
const MOST_SAMPLES: usize = 256;

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

/// Whether products with `values` `[samples, width]` are by [parts of the weights](dense).
fn by_parts(values: &Tensor<2>) -> bool {
    is_cpu(&values.device()) && (1..=MOST_SAMPLES).contains(&values.dims()[0])
}

impl DigitalStage for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        if !by_parts(x) {
            return x.clone().matmul(self.weight.clone()) + self.bias.clone();
        }
        let shape = [x.dims()[0], self.outputs()];
        let [inputs, weights, bias] = [x, &self.weight, &self.bias].map(|of| values(of.clone()));
        from_vec(dense::weighted_sums(&inputs, &weights, &bias), shape, &x.device())
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let (by_parts, samples) = (by_parts(&dy), dy.dims()[0]);
        let parameters = if wanted.parameters() {
            let of_weight = if by_parts {
                let [x, dy] = [x, &dy].map(|of| values(of.clone()));
                let gradient = dense::weight_gradient(&x, &dy, samples);
                from_vec(gradient, self.weight.dims(), &self.weight.device())
            } else {
                x.clone().transpose().matmul(dy.clone())
            };
            vec![of_weight, dy.clone().sum_dim(0)]
        } else {
            Vec::new()
        };
        let input = wanted.input().then(|| {
            if !by_parts {
                return dy.matmul(self.weight.clone().transpose());
            }
            let (device, [width, _]) = (dy.device(), self.weight.dims());
            let [dy, weights] = [&dy, &self.weight].map(|of| values(of.clone()));
            let dx = dense::input_cotangents(&dy, &weights, samples);
            from_vec(dx, [samples, width], &device)
        });
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

#[cfg(test)]
mod tests {
    use twinprop_calibration::bridge::to_vec;

    use super::*;

    /// Few samples go by parts of the weights, of which there are two here, and many by tensor operations.
    #[test]
    fn few_samples_pass_as_many_do() {
        let device = Device::flex();
        let linear = Linear::new(300, 230, StageSeed { seed: 1, place: 0 }, &device);
        let wave = |rows: usize, width: usize| {
            let values = (0..rows * width).map(|place| (0.7 * place as f32).sin()).collect();
            from_vec(values, [rows, width], &device)
        };
        let many = MOST_SAMPLES + 1;
        let (x, dy) = (wave(many, 300), wave(many, 230));
        let few = |values: &Tensor<2>| values.clone().narrow(0, 0, MOST_SAMPLES);
        let same = |found: Tensor<2>, expected: Tensor<2>| {
            assert_eq!(found.dims(), expected.dims());
            for (found, expected) in to_vec(found).into_iter().zip(to_vec(expected)) {
                assert!((found - expected).abs() < 1e-4, "{found} and {expected}");
            }
        };
        same(linear.forward(&few(&x), None), few(&linear.forward(&x, None)));
        let of_few = linear.vjp(&few(&x), few(&dy), Wanted::All, None);
        // The last sample has no part in the sums.
        let zero = dy.clone().narrow(0, 0, 1).zeros_like();
        let dy = Tensor::cat(vec![few(&dy), zero], 0);
        let of_many = linear.vjp(&x, dy, Wanted::All, None);
        for (found, expected) in of_few.parameters.into_iter().zip(of_many.parameters) {
            same(found, expected);
        }
        same(of_few.input.unwrap(), few(&of_many.input.unwrap()));
    }
}
