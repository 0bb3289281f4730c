//! A digital convolution.

use burn::tensor::{Device, Tensor};

use super::linear::random_weights;
use super::{
    BatchPosition, Cotangents, DigitalStage, StageSeed, StageTensors, StageTensorsMut, Wanted,
    Windows,
};

/// y_p = Wᵀ x_p + b at every window x_p of an image: the same weights everywhere, W `[cells of a window, channels out]`.
///
/// The outputs are an image of a pixel a window.
pub struct Convolution {
    windows: Windows,
    weight: Tensor<2>,
    bias: Tensor<2>,
}

impl Convolution {
    /// From `windows` to `channels` values each; weights start normal with a standard deviation of 1/√(cells of a
    /// window), drawn from `seed`, and the bias at zero.
    #[must_use]
    pub fn new(windows: Windows, channels: usize, seed: StageSeed, device: &Device) -> Self {
        let weight = random_weights("convolution", [windows.cells(), channels], seed, device);
        Self { windows, weight, bias: Tensor::zeros([1, channels], device) }
    }

    /// The windows of `x`, `[batch · windows, cells]`.
    fn rows(&self, x: &Tensor<2>) -> Tensor<2> {
        self.windows.of(x).reshape([-1, self.windows.cells() as i32])
    }
}

impl DigitalStage for Convolution {
    fn kind(&self) -> &'static str {
        "convolution"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        let y = self.rows(x).matmul(self.weight.clone()) + self.bias.clone();
        y.reshape([x.dims()[0] as i32, -1])
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let dy = dy.reshape([-1, self.weight.dims()[1] as i32]);
        let parameters = if wanted.parameters() {
            vec![self.rows(x).transpose().matmul(dy.clone()), dy.clone().sum_dim(0)]
        } else {
            Vec::new()
        };
        let input = wanted.input().then(|| {
            let windows = dy.matmul(self.weight.clone().transpose());
            self.windows.pull_back(windows.reshape([x.dims()[0] as i32, -1]))
        });
        Cotangents { input, parameters }
    }

    fn mixes(&self) -> bool {
        true
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
        (self.windows.width() * self.weight.dims()[1]) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;
    use crate::data::ImageSize;
    use crate::network::{ImageShape, Motion};
    use twinprop_calibration::bridge::{from_vec, to_vec};

    /// Against the sums that define it (Goodfellow et al., Deep Learning, 2016, eq. 9.7), with overlap, padding and pixels
    /// that are left over.
    #[test]
    fn outputs_are_the_sums_over_their_windows() {
        let device = Backend::Flex.device().unwrap();
        let image = ImageShape { size: ImageSize { rows: 6, columns: 5 }, channels: 3 };
        let motion = Motion {
            window: ImageSize { rows: 3, columns: 2 },
            stride: ImageSize { rows: 2, columns: 1 },
            padding: ImageSize { rows: 1, columns: 1 },
        };
        let windows = Windows::new(image, motion, &device).unwrap();
        assert_eq!(windows.counts(), ImageSize { rows: 3, columns: 6 });
        let stage = Convolution::new(windows, 4, StageSeed { seed: 1, place: 0 }, &device);
        let weights = to_vec(stage.weight.clone());
        let values: Vec<f32> = (0..2 * 90).map(|i| (0.37 * i as f32).sin()).collect();
        let found = to_vec(stage.forward(&from_vec(values.clone(), [2, 90], &device), None));
        let mut largest = 0.0_f32;
        for (index, found) in found.into_iter().enumerate() {
            let (out, across, down) = (index % 4, index / 4 % 6, index / 24 % 3);
            let mut expected = 0.0;
            for (row, column, channel) in
                (0..3).flat_map(|r| (0..2).flat_map(move |c| (0..3).map(move |k| (r, c, k))))
            {
                let (y, x) = (2 * down + row, across + column);
                if (1..7).contains(&y) && (1..6).contains(&x) {
                    let pixel = values[index / 72 * 90 + ((y - 1) * 5 + x - 1) * 3 + channel];
                    expected += pixel * weights[((row * 2 + column) * 3 + channel) * 4 + out];
                }
            }
            assert!((found - expected).abs() < 1e-5, "{index}: {found} and {expected}");
            largest = largest.max(expected.abs());
        }
        assert!(largest > 0.5, "sums of zero compare nothing");
    }
}
