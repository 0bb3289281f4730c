//! Channels at zero beside the channels with values.

use burn::tensor::Tensor;

use super::{BatchPosition, Cotangents, DigitalStage, Wanted};

/// Appends `channels` channels at zero, the middle of a drive's range, to each of `runs` equal runs
/// of channels.
pub struct Pad {
    /// Channels appended to a run.
    pub channels: usize,
    /// Number of runs.
    pub runs: usize,
}

impl DigitalStage for Pad {
    fn kind(&self) -> &'static str {
        "pad"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        let [batch, width] = x.dims();
        let runs = x.clone().reshape([batch * self.runs, width / self.runs]);
        let rest = Tensor::zeros([batch * self.runs, self.channels], &x.device());
        Tensor::cat(vec![runs, rest], 1).reshape([batch, width + self.runs * self.channels])
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let [batch, width] = x.dims();
        let run = width / self.runs;
        let runs = dy.reshape([batch * self.runs, run + self.channels]);
        Cotangents::of_input(runs.narrow(1, 0, run).reshape([batch, width]))
    }
}
