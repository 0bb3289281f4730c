//! The last runs of shots of a device.

use std::collections::VecDeque;
use std::sync::Arc;

use burn::tensor::Device;
use rand::{Rng, RngExt};

use crate::bridge::{from_vec, to_matrix, to_tensor, to_vec};
use crate::state::{State, take};
use twinprop_devices::shots::ShotRun;

/// Largest number of values of all runs together: a quarter of a gigabyte.
const VALUES: usize = 64 << 20;

/// Keeps the last runs of a device.
pub struct ReplayBuffer {
    runs: VecDeque<Arc<ShotRun>>,
    most: usize,
}

impl ReplayBuffer {
    /// For at most `most` runs, or fewer where they are so large that they would fill the memory.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { runs: VecDeque::new(), most: most.max(1) }
    }

    /// Adds a run, and removes the oldest runs where there are too many.
    pub fn add(&mut self, run: Arc<ShotRun>) {
        let most = self.most.min(VALUES / run.values().max(1)).max(1);
        while self.runs.len() >= most {
            self.runs.pop_front();
        }
        self.runs.push_back(run);
    }

    /// Its runs, for a later process.
    #[must_use]
    pub fn state(&self, device: &Device) -> State {
        let runs = self.runs.iter().enumerate();
        runs.flat_map(|(place, run)| {
            let setting = run.parameters.as_slice().to_vec();
            let shape = [1, setting.len()];
            [
                (format!("{place}.inputs"), to_tensor(&run.inputs, device)),
                (format!("{place}.parameters"), from_vec(setting, shape, device)),
                (format!("{place}.outputs"), to_tensor(&run.outputs, device)),
            ]
        })
        .collect()
    }

    /// Replaces its runs by those of a [`state`](Self::state).
    ///
    /// # Errors
    /// Says which tensor is missing.
    pub fn restore(&mut self, mut state: State) -> Result<(), String> {
        self.runs.clear();
        for place in 0..state.len() / 3 {
            let mut part = |name: &str| take(&mut state, &format!("{place}.{name}"));
            self.runs.push_back(Arc::new(ShotRun {
                inputs: to_matrix(part("inputs")?),
                parameters: to_vec(part("parameters")?).into(),
                outputs: to_matrix(part("outputs")?),
            }));
        }
        Ok(())
    }

    /// `count` random runs, possibly with repetitions; empty if no run was added.
    pub fn choose(&self, count: usize, random: &mut impl Rng) -> Vec<Arc<ShotRun>> {
        if self.runs.is_empty() {
            return Vec::new();
        }
        (0..count).map(|_| self.runs[random.random_range(0..self.runs.len())].clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};
    use twinprop_devices::random;

    use super::*;

    fn run(number: f32) -> Arc<ShotRun> {
        let inputs = DMatrix::from_element(2, 3, number);
        Arc::new(ShotRun { outputs: inputs.clone(), parameters: DVector::zeros(1), inputs })
    }

    #[test]
    fn only_the_last_runs_stay() {
        let mut replay = ReplayBuffer::new(3);
        assert!(replay.choose(2, &mut random::stream(1, "test")).is_empty());
        for number in 0..5 {
            replay.add(run(number as f32));
        }
        let numbers: Vec<f32> = replay.runs.iter().rev().map(|run| run.inputs[0]).collect();
        assert_eq!(numbers, [4.0, 3.0, 2.0]);
        let chosen = replay.choose(100, &mut random::stream(1, "test"));
        for number in [2.0, 3.0, 4.0] {
            assert!(chosen.iter().any(|run| run.inputs[0] == number), "{number}");
        }
        assert!(chosen.iter().all(|run| run.inputs[0] >= 2.0));
    }
}
