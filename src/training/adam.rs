//! Adam in one pass over each parameter.
//!
//! A physical layer's parameters visit the host in every step, so that the device can be set to them.
//! burn's Adam walks them and their gradient a dozen times, one tensor operation each; of a layer of
//! millions that takes longer than the adjoint.

use burn::tensor::Tensor;
use rayon::prelude::*;
use twinprop_calibration::bridge::{from_vec, to_vec};
use twinprop_calibration::state::{State, take};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
/// Values one worker moves at a time.
const VALUES_A_TASK: usize = 1 << 14;

/// Adam (Kingma & Ba 2015, algorithm 1) over a list of tensors.
#[derive(Default)]
pub struct Adam {
    time: i32,
    /// First and second moments of each tensor's gradient.
    moments: Vec<(Vec<f32>, Vec<f32>)>,
}

impl Adam {
    /// Its moments and their time, to go on with; `like` are the tensors that it moves.
    #[must_use]
    pub fn state(&self, like: &[&Tensor<2>]) -> State {
        let mut state = State::new();
        for (place, ((first, second), tensor)) in self.moments.iter().zip(like).enumerate() {
            let (shape, device) = (tensor.dims(), tensor.device());
            state.insert(format!("{place}.first"), from_vec(first.clone(), shape, &device));
            state.insert(format!("{place}.second"), from_vec(second.clone(), shape, &device));
        }
        state
    }

    /// After `time` steps, with the moments that [`state`](Self::state) gave.
    ///
    /// # Errors
    /// In words, where something is missing.
    pub fn resume(time: u64, mut state: State) -> Result<Self, String> {
        let moments = (0..state.len() / 2)
            .map(|place| {
                let mut moment = |name: &str| take(&mut state, &format!("{place}.{name}"));
                Ok((to_vec(moment("first")?), to_vec(moment("second")?)))
            })
            .collect::<Result<_, String>>()?;
        let time = i32::try_from(time).map_err(|_| format!("{time} steps are too many"))?;
        Ok(Self { time, moments })
    }

    /// Moves each tensor down its gradient at its learning rate. The operands match in number, order
    /// and shape, and are the same tensors in every step.
    pub fn step(
        &mut self,
        learning_rates: &[f64],
        tensors: Vec<&mut Tensor<2>>,
        gradients: Vec<Tensor<2>>,
    ) {
        self.time += 1;
        let second = (1.0 - BETA_2.powi(self.time)).sqrt();
        let factor = second / (1.0 - BETA_1.powi(self.time));
        self.moments.resize_with(gradients.len(), Default::default);
        let operands = tensors.into_iter().zip(gradients).zip(learning_rates);
        for (((tensor, gradient), rate), (first_moment, second_moment)) in
            operands.zip(&mut self.moments)
        {
            let (shape, device, rate) = (tensor.dims(), tensor.device(), *rate as f32);
            let gradient = to_vec(gradient);
            first_moment.resize(gradient.len(), 0.0);
            second_moment.resize(gradient.len(), 0.0);
            // Taken out, so that nobody shares its memory and it need not be copied.
            let mut values = to_vec(std::mem::replace(tensor, Tensor::zeros([1, 1], &device)));
            values
                .par_chunks_mut(VALUES_A_TASK)
                .zip(gradient.par_chunks(VALUES_A_TASK))
                .zip(first_moment.par_chunks_mut(VALUES_A_TASK))
                .zip(second_moment.par_chunks_mut(VALUES_A_TASK))
                .for_each(|(((values, gradient), first_moment), second_moment)| {
                    let moments = first_moment.iter_mut().zip(second_moment);
                    for ((value, g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
                        *m = *m * BETA_1 + g * (1.0 - BETA_1);
                        *v = *v * BETA_2 + g * g * (1.0 - BETA_2);
                        *value -= *m * factor / (v.sqrt() + EPSILON * second) * rate;
                    }
                });
            *tensor = from_vec(values, shape, &device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use twinprop_calibration::AdamList;

    #[test]
    fn steps_are_those_of_burn() {
        let device = Device::flex();
        let start = || from_vec((0..6).map(|i| i as f32 - 2.5).collect(), [2, 3], &device);
        let (mut ours, mut burns) = (start(), start());
        let (mut adam, mut list) = (Adam::default(), AdamList::new(1));
        for step in 0..20 {
            let gradient = |x: &Tensor<2>| (x.clone() * (step as f64 * 0.3 - 1.0)).sin();
            let (of_ours, of_burns) = (gradient(&ours), gradient(&burns));
            adam.step(&[0.05], vec![&mut ours], vec![of_ours]);
            list.step(0.05, vec![&mut burns], vec![of_burns]);
        }
        for (ours, burns) in to_vec(ours).iter().zip(to_vec(burns)) {
            assert!((ours - burns).abs() < 1e-6, "{ours} {burns}");
        }
    }
}
