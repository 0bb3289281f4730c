//! Noise of the membranes, and of the link that carries a chip's spikes.

use burn::tensor::{Bool, Tensor};

use crate::tensors::draws::Draws;
use crate::tensors::equation::split;

/// Noise of the membranes and of the link.
pub(super) struct Link {
    /// Probability that a spike is lost, on the way to the chip and from it.
    pub loss: f64,
    /// Probability that a recorded spike is one step late.
    pub jitter: f64,
    /// Standard deviation of what a step adds to a membrane.
    pub noise: f32,
}

impl Link {
    /// What the steps of the shots of `arriving` add to `cells` membranes each; `None` without noise.
    pub fn membrane_noise(
        &self,
        arriving: &Tensor<3>,
        cells: usize,
        draws: &Draws,
    ) -> Option<Tensor<3>> {
        if self.noise == 0.0 {
            return None;
        }
        let [settings, shots, _] = arriving.dims();
        let shape = [settings * shots, cells];
        let normal = draws.normal("membrane noise", shape, &arriving.device());
        Some(split(normal, settings) * self.noise)
    }

    /// `spikes` without those that are lost, by the draws of `purpose`.
    pub fn pass_on(&self, spikes: Tensor<3>, purpose: &str, draws: &Draws) -> Tensor<3> {
        if self.loss == 0.0 {
            return spikes;
        }
        let is_lost = happens(self.loss, &spikes, purpose, draws);
        spikes.mask_fill(is_lost, 0.0)
    }

    /// `spikes` `[settings, shots, steps · neurons]` as they are recorded.
    pub fn record(&self, spikes: Tensor<3>, neurons: usize, draws: &Draws) -> Tensor<3> {
        let spikes = self.pass_on(spikes, "lost spikes", draws);
        if self.jitter == 0.0 {
            return spikes;
        }
        let in_time = happens(self.jitter, &spikes, "late spikes", draws).bool_not();
        let [settings, shots, cells] = spikes.dims();
        // Those of the last step have no later step.
        let late = spikes.clone().mask_fill(in_time, 0.0).narrow(2, 0, cells - neurons);
        let none = Tensor::zeros([settings, shots, neurons], &spikes.device());
        let left = spikes - Tensor::cat(vec![late.clone(), none.clone()], 2);
        left.max_pair(Tensor::cat(vec![none, late], 2))
    }
}

/// Mask of the cells of `spikes` that are drawn, each with `probability`.
fn happens(probability: f64, spikes: &Tensor<3>, purpose: &str, draws: &Draws) -> Tensor<3, Bool> {
    let [settings, shots, cells] = spikes.dims();
    let uniform = draws.uniform(purpose, [settings * shots, cells], &spikes.device());
    split(uniform, settings).lower_scalar(probability)
}
