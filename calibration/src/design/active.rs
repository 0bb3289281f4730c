//! Shots where twins disagree (query by committee; Seung, Opper & Sompolinsky 1992).
//!
//! A part of the shots follows another design. Then, round by round, an ensemble of small twins is fitted
//! to the shots so far, and the next shots are drawn from many candidates with probabilities in
//! proportion to the disagreement of the twins. Being random, the shots of a round do not all lie in one
//! place.

use burn::tensor::Device;
use nalgebra::DMatrix;
use rand::seq::index::sample_weighted;
use twinprop_devices::{Interface, random};

use super::config::ActiveConfig;
use super::task_like::TaskDrives;
use crate::ensemble::Ensemble;
use crate::error::CalibrationError;
use twinprop_devices::shots::Shots;

impl ActiveConfig {
    /// Measures `shots` shots of a device with `interface`. In each round `measure` gets inputs
    /// `[n_inputs × shots]` and parameters `[n_parameters × shots]`, and returns the measured shots.
    ///
    /// # Errors
    /// Those of `measure`, of [`DesignConfig::draw`](super::DesignConfig::draw) and of
    /// [`Ensemble::fit`].
    pub fn measure<E: From<CalibrationError>>(
        &self,
        interface: &Interface,
        shots: usize,
        task: Option<&TaskDrives>,
        seed: u64,
        backend: &Device,
        mut measure: impl FnMut(DMatrix<f32>, DMatrix<f32>) -> Result<Shots, E>,
    ) -> Result<Shots, E> {
        let first = ((self.start * shots as f64) as usize).clamp(shots.min(4), shots);
        let (inputs, parameters) = self.from.draw(interface, first, task, seed)?;
        let mut seen = measure(inputs, parameters)?;
        for round in 0..self.rounds {
            let count = (shots - first) * (round + 1) / self.rounds + first - seen.len();
            if count == 0 {
                continue;
            }
            let seed = seed.wrapping_add((round as u64 + 1) << 48);
            let ensemble = Ensemble::fit(
                &self.ensemble,
                &self.fit,
                interface,
                &seen,
                seed,
                backend,
                |_, _| (),
            )?;
            let (inputs, parameters) =
                self.from.draw(interface, self.candidates * count, task, seed)?;
            let weights = ensemble.disagreement(&inputs, &parameters, backend);
            let random = &mut random::stream(seed, "active design");
            // Positive, so that there is a choice where the twins agree everywhere.
            let weight = |candidate: usize| f64::from(weights[candidate]).max(1e-12);
            let chosen = sample_weighted(random, weights.len(), weight, count)
                .map(rand::seq::index::IndexVec::into_vec)
                .unwrap_or_else(|_| (0..count).collect());
            let round =
                measure(inputs.select_columns(&chosen), parameters.select_columns(&chosen))?;
            seen = seen.and(&round);
        }
        Ok(seen)
    }
}
