//! A digital convolution.

use burn::tensor::{Device, Tensor};

use super::{
    BatchPosition, Cotangents, DigitalStage, Linear, StageSeed, StageTensors, StageTensorsMut,
    Wanted, Windows,
};

/// y_p = Wᵀ x_p + b at every window x_p of an image: the same [`Linear`] layer everywhere, W `[cells of a window, channels
/// out]`.
///
/// The outputs are an image of a pixel a window.
pub struct Convolution {
    windows: Windows,
    of_window: Linear,
}

impl Convolution {
    /// From `windows` to `channels` values each; weights start normal with a standard deviation of 1/√(cells of a
    /// window), drawn from `seed`, and the bias at zero.
    #[must_use]
    pub fn new(windows: Windows, channels: usize, seed: StageSeed, device: &Device) -> Self {
        let shape = [windows.cells(), channels];
        Self { windows, of_window: Linear::of_kind("convolution", shape, seed, device) }
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

    fn forward(&self, x: &Tensor<2>, position: Option<BatchPosition>) -> Tensor<2> {
        self.of_window.forward(&self.rows(x), position).reshape([x.dims()[0] as i32, -1])
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        wanted: Wanted,
        position: Option<BatchPosition>,
    ) -> Cotangents {
        // A linear layer needs its input for the gradients of its weights only.
        let rows = if wanted.parameters() { self.rows(x) } else { x.clone() };
        let dy = dy.reshape([-1, self.of_window.outputs() as i32]);
        let Cotangents { input, parameters } = self.of_window.vjp(&rows, dy, wanted, position);
        let batch = x.dims()[0] as i32;
        let input = input.map(|windows| self.windows.pull_back(windows.reshape([batch, -1])));
        Cotangents { input, parameters }
    }

    fn mixes(&self) -> bool {
        true
    }

    fn tensors(&self) -> StageTensors<'_> {
        self.of_window.tensors()
    }

    fn tensors_mut(&mut self) -> StageTensorsMut<'_> {
        self.of_window.tensors_mut()
    }

    fn multiply_adds(&self) -> u64 {
        self.windows.counts().pixels() as u64 * self.of_window.multiply_adds()
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
        let weights = to_vec(stage.tensors().parameters[0].1.clone());
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
