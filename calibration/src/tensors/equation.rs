//! The contract of an equation in tensors.

use burn::tensor::Tensor;
use twinprop_devices::Programming;

use super::draws::Draws;
use crate::twin::Linearised;

/// A simulated device's equation and its adjoint in tensors.
///
/// Operands are in the device's units. `theta` is `[settings, n_parameters]`, and `x` `[settings · shots, n_inputs]`: the
/// shots of the first setting, then those of the second, and so on.
pub trait TensorEquation: Send + Sync {
    /// The noiseless response, `[settings · shots, n_outputs]`.
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2>;

    /// The noiseless equation linearised at (`x`, `theta`).
    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised>;

    /// The readings of the device itself, with the noise that arises inside it; by default there is none.
    fn measure(&self, x: Tensor<2>, theta: Tensor<2>, _draws: &Draws) -> Tensor<2> {
        self.respond(x, theta)
    }

    /// The last programming of a device that remembers its parameters.
    fn programming(&self) -> Option<Programming> {
        None
    }

    /// Programs such a device as an earlier process did.
    fn program(&self, _programming: &Programming, _draws: &Draws) {}
}

/// An equation that is computed setting by setting, because its matrices belong to one setting.
pub(super) trait SettingEquation: Send + Sync {
    /// [`TensorEquation::respond`] at one setting `theta` `[1, n_parameters]`.
    fn respond_at(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2>;

    /// [`TensorEquation::linearise`] at one setting.
    fn linearise_at(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised>;
}

impl<E: SettingEquation> TensorEquation for E {
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        if theta.dims()[0] == 1 {
            return self.respond_at(x, theta);
        }
        let runs = by_setting(&x, &theta).map(|(x, setting)| self.respond_at(x, setting));
        Tensor::cat(runs.collect(), 0)
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        if theta.dims()[0] == 1 {
            return self.linearise_at(x, theta);
        }
        let runs = by_setting(&x, &theta).map(|(x, setting)| self.linearise_at(x, setting));
        Box::new(InTurn { settings: runs.collect() })
    }
}

/// An equation linearised at several settings, each with its shots.
struct InTurn {
    settings: Vec<Box<dyn Linearised>>,
}

impl Linearised for InTurn {
    fn vjp(&self, y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let shots = dy.dims()[0] / self.settings.len();
        let of = |values: &Tensor<2>, place: usize| values.clone().narrow(0, place * shots, shots);
        let settings = self.settings.iter().enumerate();
        let (dx, dtheta) =
            settings.map(|(place, setting)| setting.vjp(of(&y, place), of(&dy, place))).unzip();
        (Tensor::cat(dx, 0), Tensor::cat(dtheta, 0))
    }
}

/// Each setting's run of the rows of `values`, and its row of `theta`.
fn by_setting(
    values: &Tensor<2>,
    theta: &Tensor<2>,
) -> impl Iterator<Item = (Tensor<2>, Tensor<2>)> {
    let settings = theta.dims()[0];
    let shots = values.dims()[0] / settings;
    (0..settings).map(move |place| {
        (values.clone().narrow(0, place * shots, shots), theta.clone().narrow(0, place, 1))
    })
}

/// `values` `[settings · shots, n]` as `[settings, shots, n]`.
pub(super) fn split(values: Tensor<2>, settings: usize) -> Tensor<3> {
    let [rows, width] = values.dims();
    values.reshape([settings, rows / settings, width])
}

/// `values` `[settings, shots, n]` as `[settings · shots, n]`.
pub(super) fn join(values: Tensor<3>) -> Tensor<2> {
    let [settings, shots, width] = values.dims();
    values.reshape([settings * shots, width])
}
