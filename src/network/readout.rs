//! Channels to classes: sums over windows, with a trainable temperature.

use burn::tensor::{Device, Tensor};
use twinprop_devices::DeviceError;

use super::{Laboratory, Source, Stage};

/// logit_c = exp(τ) / n · Σ of window c, the windows being `classes` runs of n channels; channels
/// beyond the last whole window are not read.
pub struct Readout {
    classes: usize,
    window: usize,
    /// τ, `[1, 1]`.
    temperature: Tensor<2>,
    /// Deviation of the first logits over the samples, if τ is to start there.
    spread: Option<f32>,
}

/// A class whose logits move by a smaller share of their size does not move.
const STILL: f32 = 1e-6;

impl Readout {
    /// For `classes` classes on `width` channels (at least one a class).
    #[must_use]
    pub fn new(classes: usize, width: usize, device: &Device) -> Self {
        let temperature = Tensor::zeros([1, 1], device);
        Self { classes, window: width / classes, temperature, spread: None }
    }

    /// The same with a temperature that starts where the logits deviate by `spread` over the first samples;
    /// otherwise it starts at zero. For channels whose size nobody has set before: readings that fill a
    /// thousandth of their range.
    #[must_use]
    pub fn with_spread(mut self, spread: f32) -> Self {
        self.spread = Some(spread);
        self
    }

    /// Sums over the windows of `x`, `[batch, classes]`.
    fn sums(&self, x: &Tensor<2>) -> Tensor<2> {
        let [batch, _] = x.dims();
        let read = x.clone().narrow(1, 0, self.classes * self.window);
        let sums = read.reshape([batch, self.classes, self.window]).sum_dim(2);
        sums.reshape([batch, self.classes])
    }

    fn gain(&self) -> Tensor<2> {
        self.temperature.clone().exp() / self.window as f64
    }
}

impl Stage for Readout {
    fn kind(&self) -> &'static str {
        "readout"
    }

    fn forward(
        &self,
        x: &Tensor<2>,
        _laboratory: &mut Laboratory,
        _source: Source,
    ) -> Result<Tensor<2>, DeviceError> {
        Ok(self.sums(x) * self.gain())
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        let [batch, width] = x.dims();
        let read = self.classes * self.window;
        // ∂logit/∂τ = logit.
        let dtemperature = (self.sums(x) * self.gain() * dy.clone()).sum().reshape([1, 1]);
        let dx = (dy * self.gain())
            .reshape([batch, self.classes, 1])
            .expand([batch, self.classes, self.window])
            .reshape([batch, read]);
        let dx = if read < width {
            let unread = Tensor::zeros([batch, width - read], &dx.device());
            Tensor::cat(vec![dx, unread], 1)
        } else {
            dx
        };
        (dx, vec![dtemperature])
    }

    fn initialise(&mut self, x: &Tensor<2>) {
        let Some(spread) = self.spread else { return };
        let means = self.sums(x) / self.window as f64;
        let (variance, mean) = means.var_mean_bias(0);
        let deviation = variance.sqrt().mean().into_scalar::<f32>();
        let size = mean.abs().mean().into_scalar::<f32>();
        if deviation > STILL * size {
            let temperature = (spread / deviation).ln();
            self.temperature = Tensor::full([1, 1], temperature, &x.device());
        }
    }

    fn parameters(&self) -> Vec<(&'static str, &Tensor<2>)> {
        vec![("temperature", &self.temperature)]
    }

    fn state_mut(&mut self) -> (Vec<&mut Tensor<2>>, Vec<&mut Tensor<2>>) {
        (vec![&mut self.temperature], Vec::new())
    }

    fn multiply_adds(&self) -> u64 {
        (self.classes * self.window) as u64
    }
}
