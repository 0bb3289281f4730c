//! Spikes of each line of a raster, counted.

use burn::tensor::Tensor;

use super::{BatchPosition, Cotangents, DigitalStage, Wanted};

/// y_l = Σ_t x_tl over the steps t of a raster that begins each shot's readings. The cotangent of a count is that of each
/// of its cells; readings behind the raster have none.
pub struct SpikeCounts {
    /// Shots side by side.
    pub shots: usize,
    /// Readings of a shot.
    pub readings: usize,
    /// Steps of the raster.
    pub steps: usize,
    /// Its lines.
    pub lines: usize,
}

impl DigitalStage for SpikeCounts {
    fn kind(&self) -> &'static str {
        "spike_counts"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        let [batch, _] = x.dims();
        let Self { shots, readings, steps, lines } = *self;
        let raster = x.clone().reshape([batch * shots, readings]).narrow(1, 0, steps * lines);
        let counts = raster.reshape([batch * shots, steps, lines]).sum_dim(1);
        counts.reshape([batch, shots * lines])
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let [batch, width] = x.dims();
        let Self { shots, readings, steps, lines } = *self;
        let spread = dy.reshape([batch * shots, lines]).repeat_dim(1, steps);
        let dx = if readings == steps * lines {
            spread
        } else {
            let none = Tensor::zeros([batch * shots, readings - steps * lines], &x.device());
            Tensor::cat(vec![spread, none], 1)
        };
        Cotangents::of_input(dx.reshape([batch, width]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;
    use twinprop_calibration::bridge::{from_vec, to_vec};

    #[test]
    fn counts_sum_over_steps_and_their_cotangents_spread() {
        let device = Backend::Flex.device().unwrap();
        // Two shots of two lines in two steps, with a membrane behind each raster.
        let stage = SpikeCounts { shots: 2, readings: 5, steps: 2, lines: 2 };
        let x = from_vec(vec![1.0, 0.0, 1.0, 1.0, 7.0, 0.0, 0.0, 1.0, 0.0, 8.0], [1, 10], &device);
        assert_eq!(to_vec(stage.forward(&x, None)), [2.0, 1.0, 1.0, 0.0]);
        let dy = from_vec(vec![1.0, 2.0, 3.0, 4.0], [1, 4], &device);
        let dx = stage.vjp(&x, dy, Wanted::All, None).into_input();
        assert_eq!(to_vec(dx), [1.0, 2.0, 1.0, 2.0, 0.0, 3.0, 4.0, 3.0, 4.0, 0.0]);
    }
}
