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
}

impl Readout {
    /// For `classes` classes on `width` channels (at least one a class).
    #[must_use]
    pub fn new(classes: usize, width: usize, device: &Device) -> Self {
        Self { classes, window: width / classes, temperature: Tensor::zeros([1, 1], device) }
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
        let [batch, _] = x.dims();
        let read = x.clone().narrow(1, 0, self.classes * self.window);
        let sums = read.reshape([batch, self.classes, self.window]).sum_dim(2);
        Ok(sums.reshape([batch, self.classes]) * self.gain())
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        let [batch, width] = x.dims();
        let read = self.classes * self.window;
        let sums = x
            .clone()
            .narrow(1, 0, read)
            .reshape([batch, self.classes, self.window])
            .sum_dim(2)
            .reshape([batch, self.classes]);
        // ∂logit/∂τ = logit.
        let dtemperature = (sums * self.gain() * dy.clone()).sum().reshape([1, 1]);
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
