//! The banks' channels and constants, and their weights at a setting.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::config::MicroringBankConfig;
use super::heaters::heat;
use super::ring::Ring;
use super::row::Response;
use crate::elementary::vectorised;
use crate::lanes::{LANES, Lane, ZERO};
use crate::saturation::Saturation;
use crate::{Channels, Constant, DeviceError, Interface, random};

/// Fewest pairs of a ring and a block of sixteen channels in a task for another core: some tens of microseconds.
const PAIRS_A_TASK: usize = 1 << 12;

/// Banks of microrings: nominal, or as built.
#[derive(Clone, Debug)]
pub struct MicroringBank {
    pub(super) interface: Interface,
    /// N and M.
    pub(super) channels: usize,
    pub(super) rows: usize,
    pub(super) response: Response,
    /// b / r, and η / r.
    pub(super) bias: f32,
    pub(super) per_power: f32,
    pub(super) full_scale: f32,
    /// o and e of each ring, row by row.
    pub(super) offsets: Vec<f32>,
    pub(super) efficiencies: Vec<f32>,
    /// κ.
    pub(super) crosstalk: f32,
    /// s of each row.
    pub(super) sensitivity: Vec<f32>,
}

/// The banks at a setting.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// θ, row by row.
    pub powers: Vec<f32>,
    /// Heat at each ring in mW, row by row.
    pub heat: Vec<f32>,
    /// Detuning of each ring from its own channel, in half widths.
    pub detunings: Vec<f32>,
}

/// Weights, row by row, and the worth of light behind each ring.
pub(super) struct Weights {
    pub weights: Vec<f32>,
    pub behind: Vec<Lane>,
}

impl MicroringBank {
    /// The banks as designed.
    ///
    /// # Errors
    /// [`DeviceError::Config`] for resonances that are wider than the spacing of the channels.
    pub fn nominal(config: &MicroringBankConfig) -> Result<Self, DeviceError> {
        let perfect = MicroringBankConfig {
            resonance_error: 0.0,
            efficiency_error: 0.0,
            crosstalk: 0.0,
            ..config.clone()
        };
        Self::fabricated(&perfect, 0.0, 0)
    }

    /// A copy with the configuration's errors, and with detectors off by a relative normal deviate of standard deviation
    /// `mismatch`, all drawn from `seed`.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &MicroringBankConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        let (channels, rows) = (config.inputs, config.outputs);
        let ring = Ring::new(config.ring_loss, config.bus_coupling, config.drop_coupling);
        let (half_width, width) = (ring.half_width, 2.0 * ring.half_width);
        if width > config.spacing {
            return Err(DeviceError::Config {
                device: "microring_bank".to_owned(),
                problem: format!(
                    "its resonances are {width} GHz wide, more than the spacing of {} GHz between its channels; raise `spacing`, or lower the couplings",
                    config.spacing
                ),
            });
        }
        let mut random = random::stream(seed, "fabrication");
        let mut deviates = |count: usize, deviation: f64| -> Vec<f32> {
            (0..count).map(|_| (deviation * random::deviate(&mut random)) as f32).collect()
        };
        let relative = |deviates: Vec<f32>| -> Vec<f32> {
            deviates.into_iter().map(|deviate| (1.0 + deviate).max(0.1)).collect()
        };
        let (count, full_scale) = (channels * rows, config.full_scale as f32);
        Ok(Self {
            interface: Interface {
                device: "microring_bank".to_owned(),
                inputs: Channels::bank("power", channels, "1", 0.0, 1.0),
                parameters: Channels::bank("heater", count, "mW", 0.0, config.largest_power as f32),
                outputs: Channels::bank("row", rows, "1", -full_scale, full_scale),
                seconds_per_shot: config.seconds_per_shot,
            },
            channels,
            rows,
            response: Response {
                dropped: ring.dropped as f32,
                taken: ring.taken as f32,
                spacing: (config.spacing / half_width) as f32,
            },
            bias: (config.bias / half_width) as f32,
            per_power: (config.heater_efficiency / half_width) as f32,
            full_scale,
            offsets: deviates(count, config.resonance_error / half_width),
            efficiencies: relative(deviates(count, config.efficiency_error)),
            crosstalk: config.crosstalk as f32,
            sensitivity: relative(deviates(rows, mismatch)),
        })
    }

    /// The weights w `[M × N]` at the heaters' powers `parameters`.
    ///
    /// # Panics
    /// If there are not M N powers.
    #[must_use]
    pub fn weights(&self, parameters: &DVector<f32>) -> DMatrix<f32> {
        self.worth(parameters, -1.0)
    }

    /// The shares of each channel's power that a row drops, `[M × N]`: D.
    ///
    /// # Panics
    /// If there are not M N powers.
    #[must_use]
    pub fn dropped(&self, parameters: &DVector<f32>) -> DMatrix<f32> {
        self.worth(parameters, 0.0)
    }

    fn worth(&self, parameters: &DVector<f32>, passed: f32) -> DMatrix<f32> {
        assert_eq!(parameters.len(), self.offsets.len(), "every ring has a heater");
        let weights = self.weigh(&self.at(parameters.as_slice()), passed, false).weights;
        DMatrix::from_row_slice(self.rows, self.channels, &weights)
    }

    /// The banks at the heaters' powers `parameters`.
    pub(super) fn at(&self, parameters: &[f32]) -> Setting {
        let mut heated = vec![0.0; parameters.len()];
        let rows = parameters.chunks_exact(self.channels);
        for (powers, heated) in rows.zip(heated.chunks_exact_mut(self.channels)) {
            heat(self.crosstalk, powers, heated);
        }
        let rings = heated.iter().zip(&self.efficiencies).zip(&self.offsets);
        let detunings = rings
            .map(|((heat, efficiency), offset)| {
                self.bias - offset - self.per_power * efficiency * heat
            })
            .collect();
        Setting { powers: parameters.to_vec(), heat: heated, detunings }
    }

    /// What light is worth before each row, if it is worth `passed` behind it; and, if `kept`, behind each ring.
    pub(super) fn weigh(&self, setting: &Setting, passed: f32, kept: bool) -> Weights {
        let (channels, rows) = (self.channels, self.rows);
        // An empty lane a row, where nothing is kept.
        let lanes = if kept { channels.div_ceil(LANES) * channels } else { 1 };
        let mut all =
            Weights { weights: vec![0.0; rows * channels], behind: vec![ZERO; rows * lanes] };
        let by_row = all.weights.par_chunks_mut(channels).zip(all.behind.par_chunks_mut(lanes));
        by_row
            .zip(setting.detunings.par_chunks(channels))
            .with_min_len(self.rows_a_task())
            .for_each(|((weights, behind), detunings)| {
                let behind = if kept { behind } else { &mut [] };
                vectorised(
                    #[inline(always)]
                    || self.response.weigh(detunings, passed, weights, behind),
                );
            });
        all
    }

    /// Rows of a task for another core.
    fn rows_a_task(&self) -> usize {
        PAIRS_A_TASK.div_ceil((self.channels.div_ceil(LANES) * self.channels).max(1))
    }

    /// Cotangents of the detunings, row by row, from those of the weights.
    pub(super) fn pull_back(
        &self,
        setting: &Setting,
        weights: &Weights,
        of_weights: &[f32],
    ) -> Vec<f32> {
        let channels = self.channels;
        let lanes = channels.div_ceil(LANES) * channels;
        let mut of_detunings = vec![0.0; of_weights.len()];
        let by_row = of_detunings.par_chunks_mut(channels).zip(of_weights.par_chunks(channels));
        by_row
            .zip(setting.detunings.par_chunks(channels).zip(weights.behind.par_chunks(lanes)))
            .with_min_len(self.rows_a_task())
            .for_each(|((of_detunings, of_weights), (detunings, behind))| {
                vectorised(
                    #[inline(always)]
                    || self.response.pull_back(detunings, behind, of_weights, of_detunings),
                );
            });
        of_detunings
    }

    /// The converters behind the detectors.
    pub(super) fn saturation(&self) -> Saturation {
        Saturation::at(self.full_scale)
    }

    /// Its constants that can be learned.
    pub(super) fn all_constants(&self) -> Vec<Constant> {
        Constant::bank("resonance", &self.offsets)
            .chain(Constant::bank("heater", &self.efficiencies))
            .chain(Constant::bank("sensitivity", &self.sensitivity))
            .chain([Constant { name: "crosstalk".to_owned(), value: self.crosstalk }])
            .collect()
    }

    /// Sets them, in the same order.
    pub(super) fn set_all_constants(&mut self, values: &[f32]) {
        let (offsets, rest) = values.split_at(self.offsets.len());
        let (efficiencies, rest) = rest.split_at(self.offsets.len());
        let (sensitivity, crosstalk) = rest.split_at(self.rows);
        self.offsets.copy_from_slice(offsets);
        self.efficiencies.copy_from_slice(efficiencies);
        self.sensitivity.copy_from_slice(sensitivity);
        self.crosstalk = crosstalk[0];
    }
}
