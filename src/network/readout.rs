//! Channels to classes: sums over windows, with a trainable temperature.

use burn::tensor::{Device, Tensor};
use twinprop_calibration::bridge::{from_vec, is_cpu, values};

use super::{BatchPosition, Cotangents, DigitalStage, StageTensors, StageTensorsMut, Wanted};

/// logit_c = exp(τ) / n · Σ of window c, the windows being `classes` runs of n channels; channels
/// beyond the last whole window are not read.
pub struct Readout {
    classes: usize,
    window: usize,
    /// τ, `[1, 1]`.
    temperature: Tensor<2>,
    /// Standard deviation of the first logits over the samples, which sets the first τ; without it τ starts at 0.
    spread: Option<f32>,
}

/// Logits that deviate by a smaller share of their size are constant but for rounding.
const ROUNDING: f32 = 1e-6;

impl Readout {
    /// For `classes` classes on `width` channels (at least one a class).
    #[must_use]
    pub fn new(classes: usize, width: usize, device: &Device) -> Self {
        let temperature = Tensor::zeros([1, 1], device);
        Self { classes, window: width / classes, temperature, spread: None }
    }

    /// The same with a τ that gives the logits the standard deviation `spread` over the first samples, in place of 0.
    /// For channels of any size, such as readings that fill a thousandth of their range.
    #[must_use]
    pub fn with_spread(mut self, spread: f32) -> Self {
        self.spread = Some(spread);
        self
    }

    /// Sums over the windows of `x`, `[batch, classes]`.
    fn sums(&self, x: &Tensor<2>) -> Tensor<2> {
        let ([batch, width], device) = (x.dims(), x.device());
        if is_cpu(&device) {
            let values = values(x.clone());
            let windows = |channels: &[f32]| {
                let windows = channels.chunks_exact(self.window).take(self.classes);
                windows.map(|window| window.iter().sum()).collect::<Vec<f32>>()
            };
            let sums = values.chunks_exact(width.max(1)).flat_map(windows).collect();
            return from_vec(sums, [batch, self.classes], &device);
        }
        let read = x.clone().narrow(1, 0, self.classes * self.window);
        let sums = read.reshape([batch, self.classes, self.window]).sum_dim(2);
        sums.reshape([batch, self.classes])
    }

    /// The cotangent of the channels `[batch, width]` from that of the window sums, `[batch, classes]`.
    fn over_windows(&self, of_sums: Tensor<2>, [batch, width]: [usize; 2]) -> Tensor<2> {
        let (read, device) = (self.classes * self.window, of_sums.device());
        if is_cpu(&device) {
            let mut dx = vec![0.0; batch * width];
            let values = values(of_sums);
            for (dx, of_sums) in dx.chunks_exact_mut(width).zip(values.chunks_exact(self.classes)) {
                for (window, of_sum) in dx.chunks_exact_mut(self.window).zip(of_sums) {
                    window.fill(*of_sum);
                }
            }
            return from_vec(dx, [batch, width], &device);
        }
        let dx = of_sums
            .reshape([batch, self.classes, 1])
            .expand([batch, self.classes, self.window])
            .reshape([batch, read]);
        if read == width {
            return dx;
        }
        Tensor::cat(vec![dx, Tensor::zeros([batch, width - read], &device)], 1)
    }

    fn gain(&self) -> Tensor<2> {
        self.temperature.clone().exp() / self.window as f64
    }
}

impl DigitalStage for Readout {
    fn kind(&self) -> &'static str {
        "readout"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        self.sums(x) * self.gain()
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        // ∂logit/∂τ = logit.
        let dtemperature = (self.sums(x) * self.gain() * dy.clone()).sum().reshape([1, 1]);
        let dx = self.over_windows(dy * self.gain(), x.dims());
        Cotangents { input: Some(dx), parameters: vec![dtemperature] }
    }

    fn initialise(&mut self, x: &Tensor<2>) {
        let Some(spread) = self.spread else { return };
        let means = self.sums(x) / self.window as f64;
        let (variance, mean) = means.var_mean_bias(0);
        let deviation = variance.sqrt().mean().into_scalar::<f32>();
        let size = mean.abs().mean().into_scalar::<f32>();
        if deviation > ROUNDING * size {
            let temperature = (spread / deviation).ln();
            self.temperature = Tensor::full([1, 1], temperature, &x.device());
        }
    }

    fn tensors(&self) -> StageTensors<'_> {
        let parameters = vec![("temperature", &self.temperature)];
        StageTensors { parameters, constants: Vec::new() }
    }

    fn tensors_mut(&mut self) -> StageTensorsMut<'_> {
        StageTensorsMut { parameters: vec![&mut self.temperature], constants: Vec::new() }
    }

    fn multiply_adds(&self) -> u64 {
        (self.classes * self.window) as u64
    }
}

#[cfg(test)]
mod tests {
    use twinprop_calibration::bridge::to_vec;

    use super::*;

    /// Two classes of three channels each, and one channel that is not read.
    #[test]
    fn windows_are_summed_and_the_rest_is_not_read() {
        let device = Device::flex();
        let readout = Readout::new(2, 7, &device);
        let x = from_vec((0..14).map(|value| value as f32).collect(), [2, 7], &device);
        assert_eq!(to_vec(readout.forward(&x, None)), [1.0, 4.0, 8.0, 11.0]);
        let dy = from_vec(vec![3.0, 6.0, 9.0, 12.0], [2, 2], &device);
        let of = readout.vjp(&x, dy, Wanted::All, None);
        let expected =
            [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 0.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 0.0].to_vec();
        assert_eq!(to_vec(of.input.unwrap()), expected);
        // exp(0) / 3 · Σ of a window is a logit, whose derivative by τ is itself.
        assert_eq!(to_vec(of.parameters[0].clone()), [3.0 + 24.0 + 72.0 + 132.0]);
    }
}
