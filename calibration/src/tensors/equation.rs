//! The contract of an equation in tensors.

use burn::tensor::Tensor;

use crate::twin::Linearised;

/// A simulated device's noiseless equation and its adjoint in tensors.
pub trait TensorEquation: Send + Sync {
    /// The response to the drives `x` `[shots, n_inputs]` at one setting `theta` `[1, n_parameters]`, both in the
    /// device's units: `[shots, n_outputs]`.
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2>;

    /// The equation linearised at (`x`, `theta`).
    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised>;

    /// The response to the drives `x` `[shots, n_inputs]` at `theta` `[groups, n_parameters]`: each row of
    /// `theta` holds the parameters of a run of shots, and all runs are of equal length.
    fn respond_by_setting(&self, x: &Tensor<2>, theta: &Tensor<2>) -> Tensor<2> {
        let runs = by_setting(x, theta).map(|(x, setting)| self.respond(x, setting));
        Tensor::cat(runs.collect(), 0)
    }
}

/// Each setting's run of the rows of `values` and its row of `theta`.
pub(crate) fn by_setting(
    values: &Tensor<2>,
    theta: &Tensor<2>,
) -> impl Iterator<Item = (Tensor<2>, Tensor<2>)> {
    let groups = theta.dims()[0];
    let run = values.dims()[0] / groups;
    (0..groups).map(move |group| {
        (values.clone().narrow(0, group * run, run), theta.clone().narrow(0, group, 1))
    })
}
