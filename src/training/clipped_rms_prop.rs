//! Descent by gradients over their running root mean square, within the parameters' ranges.

use burn::tensor::Tensor;
use twinprop_calibration::bridge::{from_vec, to_vec};
use twinprop_calibration::state::{State, take};

use super::Optimiser;
use crate::rules::Synapse;

/// m ← 0.9 m + 0.1 g²,   θ ← clamp(θ − learning rate · g / √(m + 10⁻⁸), −1, 1), with m = 1 at the start.
///
/// RMSprop as the rule [`emstdp`](crate::rules::emstdp) needs it: the step of a [`Synapse`] that is driven by −g. It is for
/// parameters normalised to [−1, 1].
#[derive(Clone, Debug, Default)]
pub struct ClippedRmsProp {
    /// m of each tensor; empty before the first step.
    mean_squares: Vec<Vec<f32>>,
}

impl Optimiser for ClippedRmsProp {
    fn step(
        &mut self,
        learning_rates: &[f64],
        tensors: Vec<&mut Tensor<2>>,
        gradients: Vec<Tensor<2>>,
    ) {
        let operands = tensors.into_iter().zip(gradients).zip(learning_rates);
        for (place, ((tensor, gradient), &rate)) in operands.enumerate() {
            let gradient = to_vec(gradient);
            if place == self.mean_squares.len() {
                let first = Synapse::<f32>::FIRST_MEAN_SQUARE;
                self.mean_squares.push(vec![first; gradient.len()]);
            }
            let (shape, device) = (tensor.dims(), tensor.device());
            // Taken out: the only owner of the memory need not copy it.
            let mut weights = to_vec(std::mem::replace(tensor, Tensor::zeros([1, 1], &device)));
            let synapses = weights.iter_mut().zip(&mut self.mean_squares[place]);
            for ((weight, mean_square), gradient) in synapses.zip(gradient) {
                let mut synapse = Synapse { weight: *weight, mean_square: *mean_square };
                synapse.learn(-gradient, rate as f32);
                (*weight, *mean_square) = (synapse.weight, synapse.mean_square);
            }
            *tensor = from_vec(weights, shape, &device);
        }
    }

    fn state(&self, like: &[&Tensor<2>]) -> State {
        let tensors = self.mean_squares.iter().zip(like).enumerate();
        tensors
            .map(|(place, (values, like))| {
                let tensor = from_vec(values.clone(), like.dims(), &like.device());
                (format!("{place}.mean_square"), tensor)
            })
            .collect()
    }

    fn restore(&mut self, mut state: State) -> Result<(), String> {
        self.mean_squares = (0..state.len())
            .map(|place| Ok(to_vec(take(&mut state, &format!("{place}.mean_square"))?)))
            .collect::<Result<_, String>>()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_restored_optimiser_continues_with_the_same_steps() {
        let device = Device::flex();
        let mut whole = from_vec(vec![0.7, -0.9], [1, 2], &device);
        let step = |optimiser: &mut ClippedRmsProp, x: &mut Tensor<2>| {
            let gradient = x.clone() * 2.0;
            optimiser.step(&[0.1], vec![x], vec![gradient]);
        };
        let (mut optimiser, mut other) = (ClippedRmsProp::default(), ClippedRmsProp::default());
        assert!(optimiser.state(&[&whole]).is_empty());
        step(&mut optimiser, &mut whole);
        let mut parted = whole.clone();
        other.restore(optimiser.state(&[&whole])).unwrap();
        step(&mut optimiser, &mut whole);
        step(&mut other, &mut parted);
        assert_eq!(to_vec(whole), to_vec(parted));
    }

    #[test]
    fn parameters_stay_within_their_ranges() {
        let device = Device::flex();
        let mut x = from_vec(vec![0.95, -0.95, 0.0], [1, 3], &device);
        let gradient = from_vec(vec![-5.0, 5.0, 0.0], [1, 3], &device);
        ClippedRmsProp::default().step(&[0.1], vec![&mut x], vec![gradient]);
        assert_eq!(to_vec(x), [1.0, -1.0, 0.0]);
    }
}
