//! A bank's channels and constants, and its weights at a setting.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::config::MicroringBankConfig;
use super::heat::{heat, heat_slope};
use super::ring::Microring;
use super::row::Row;
use crate::saturation::Saturation;
use crate::{Channels, Constant, DeviceError, Interface, random};

/// Rows of microrings, as designed or as built.
#[derive(Clone)]
pub struct MicroringBank {
    pub(super) interface: Interface,
    pub(super) channels: usize,
    pub(super) rows: usize,
    row: Row,
    /// η, in GHz per mW.
    efficiency: f32,
    /// Detuning of a ring with cold heaters, in GHz.
    cold: f32,
    constants: Constants,
    saturation: Saturation,
}

/// What a fabricated bank has otherwise than the data sheet.
#[derive(Clone)]
struct Constants {
    /// o of each ring, row by row, in units of r.
    offsets: Vec<f32>,
    /// e of each ring.
    efficiencies: Vec<f32>,
    /// κ.
    crosstalk: f32,
    /// s of each row.
    sensitivities: Vec<f32>,
}

/// Cotangents of a bank's parameters and constants.
pub(super) struct Pulled {
    pub inputs: DMatrix<f32>,
    pub parameters: Vec<f32>,
    pub constants: Vec<f32>,
}

impl MicroringBank {
    /// The bank as designed.
    ///
    /// # Errors
    /// [`DeviceError::Config`] for rings that are wider than the distance of two channels.
    pub fn nominal(config: &MicroringBankConfig) -> Result<Self, DeviceError> {
        let count = config.channels * config.rows;
        Self::with_constants(
            config,
            Constants {
                offsets: vec![0.0; count],
                efficiencies: vec![1.0; count],
                crosstalk: 0.0,
                sensitivities: vec![1.0; config.rows],
            },
        )
    }

    /// A copy with the configuration's errors of the resonances and its crosstalk, and with heaters and detectors off by
    /// relative normal deviates of standard deviation `mismatch`, drawn from `seed`.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &MicroringBankConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        let mut random = random::stream(seed, "fabrication");
        let count = config.channels * config.rows;
        let mut deviates = |count: usize, middle: f64, deviation: f64| -> Vec<f32> {
            let deviate = |_| middle + deviation * random::deviate(&mut random);
            (0..count).map(deviate).map(|value| value as f32).collect()
        };
        let half_width = config.intrinsic_ghz + config.bus_ghz + config.drop_ghz;
        let offsets = deviates(count, 0.0, config.resonance_error_ghz / half_width);
        let efficiencies = deviates(count, 1.0, mismatch);
        let sensitivities = deviates(config.rows, 1.0, mismatch);
        let constants =
            Constants { offsets, efficiencies, crosstalk: config.crosstalk as f32, sensitivities };
        Self::with_constants(config, constants)
    }

    fn with_constants(
        config: &MicroringBankConfig,
        constants: Constants,
    ) -> Result<Self, DeviceError> {
        let MicroringBankConfig { channels, rows, .. } = *config;
        let ring = Microring {
            intrinsic: config.intrinsic_ghz as f32,
            bus: config.bus_ghz as f32,
            drop: config.drop_ghz as f32,
        };
        if 2.0 * f64::from(ring.half_width()) >= config.spacing_ghz {
            return Err(DeviceError::Config {
                device: "microring_bank".to_owned(),
                problem: format!(
                    "rings with a linewidth of {} GHz take the light of their neighbours, {} GHz away; lower the rates or raise spacing_ghz",
                    2.0 * ring.half_width(),
                    config.spacing_ghz
                ),
            });
        }
        let (largest, full_scale) = (config.largest_milliwatt as f32, config.full_scale as f32);
        let efficiency = config.ghz_per_milliwatt as f32;
        Ok(Self {
            interface: Interface {
                device: "microring_bank".to_owned(),
                inputs: Channels::bank("channel", channels, "1", 0.0, 1.0),
                parameters: Channels::bank("heater", channels * rows, "mW", 0.0, largest),
                outputs: Channels::bank("detector", rows, "1", -full_scale, full_scale),
                seconds_per_shot: config.seconds_per_shot,
            },
            channels,
            rows,
            row: Row { ring, spacing: config.spacing_ghz as f32 },
            efficiency,
            cold: ring.half_width() + 0.5 * efficiency * largest,
            constants,
            saturation: Saturation::at(full_scale),
        })
    }

    /// The weights W `[rows × channels]` at the heaters' powers `parameters`, without the detectors' sensitivities.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] for another number of heaters.
    pub fn weights(&self, parameters: &DVector<f32>) -> Result<DMatrix<f32>, DeviceError> {
        let heaters = self.interface.parameters.len();
        self.interface.check_size("parameters", heaters, parameters.len())?;
        Ok(self.weights_at(parameters.as_slice()))
    }

    fn weights_at(&self, parameters: &[f32]) -> DMatrix<f32> {
        let mut weights = vec![0.0; parameters.len()];
        let rows = weights.par_chunks_mut(self.channels).enumerate();
        rows.for_each(|(row, weights)| {
            self.row.weights(&self.detunings(row, parameters), weights);
        });
        DMatrix::from_row_slice(self.rows, self.channels, &weights)
    }

    /// Rings of the row `row`.
    fn rings(&self, row: usize) -> std::ops::Range<usize> {
        row * self.channels..(row + 1) * self.channels
    }

    /// Detunings of the rings of `row` from their own channels, in GHz.
    fn detunings(&self, row: usize, parameters: &[f32]) -> Vec<f32> {
        let Constants { offsets, efficiencies, crosstalk, .. } = &self.constants;
        let rings = self.rings(row);
        let warm = heat(&parameters[rings.clone()], *crosstalk);
        let half_width = self.row.ring.half_width();
        let of_rings = offsets[rings.clone()].iter().zip(&efficiencies[rings]);
        let parts = warm.iter().zip(of_rings);
        parts
            .map(|(warm, (offset, efficiency))| {
                self.cold - half_width * offset - self.efficiency * efficiency * warm
            })
            .collect()
    }

    /// k.
    fn gain(&self) -> f32 {
        (self.channels as f32).sqrt().recip()
    }

    /// k s W, `[rows × channels]`.
    fn matrix(&self, parameters: &[f32]) -> DMatrix<f32> {
        let mut matrix = self.weights_at(parameters);
        for (mut row, sensitivity) in matrix.row_iter_mut().zip(&self.constants.sensitivities) {
            row *= self.gain() * sensitivity;
        }
        matrix
    }

    /// The readings of `inputs` `[channels × shots]`.
    pub(super) fn read(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) {
        outputs.gemm(1.0, &self.matrix(parameters.as_slice()), inputs, 0.0);
        self.saturation.clamp(outputs.iter_mut());
    }

    /// Cotangents of everything from those of the readings, `[rows × shots]`.
    pub(super) fn pull_back(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Pulled {
        let parameters = parameters.as_slice();
        let matrix = self.matrix(parameters);
        let readings = &matrix * inputs;
        let open = cotangents
            .zip_map(&readings, |cotangent, reading| self.saturation.pull_back(reading, cotangent));
        let of_matrix = &open * inputs.transpose();
        let Constants { efficiencies, crosstalk, sensitivities, .. } = &self.constants;
        let count = self.channels;
        let of_rows: Vec<OfRow> = (0..self.rows)
            .into_par_iter()
            .map_init(
                || vec![0.0; (count + 1) * count],
                |behind, row| {
                    let rings = self.rings(row);
                    let scale = self.gain() * sensitivities[row];
                    let of: Vec<f32> = of_matrix.row(row).iter().map(|of| scale * of).collect();
                    let mut of_detunings = vec![0.0; count];
                    let detunings = self.detunings(row, parameters);
                    self.row.pull_back(&detunings, &of, &mut of_detunings, behind);
                    let powers = &parameters[rings.clone()];
                    let (warm, slope) = (heat(powers, *crosstalk), heat_slope(powers, *crosstalk));
                    // −η e of each ring: what a detuning says about the heat.
                    let of_heat: Vec<f32> = of_detunings
                        .iter()
                        .zip(&efficiencies[rings])
                        .map(|(of, efficiency)| -self.efficiency * efficiency * of)
                        .collect();
                    let sensitivity = of_matrix.row(row).dot(&matrix.row(row)) / sensitivities[row];
                    let half_width = self.row.ring.half_width();
                    let of_offsets = of_detunings.iter().map(|of| -half_width * of);
                    let pairs = of_detunings.iter().zip(&warm);
                    OfRow {
                        powers: heat(&of_heat, *crosstalk),
                        crosstalk: of_heat.iter().zip(&slope).map(|(of, slope)| of * slope).sum(),
                        efficiencies: pairs
                            .map(|(of, warm)| -self.efficiency * of * warm)
                            .collect(),
                        offsets: of_offsets.collect(),
                        sensitivity,
                    }
                },
            )
            .collect();
        let all = |of: fn(&OfRow) -> &[f32]| of_rows.iter().flat_map(of).copied();
        let crosstalk = of_rows.iter().map(|row| row.crosstalk).sum::<f32>();
        let constants = all(|row| &row.offsets)
            .chain(all(|row| &row.efficiencies))
            .chain([crosstalk])
            .chain(of_rows.iter().map(|row| row.sensitivity));
        Pulled {
            inputs: matrix.tr_mul(&open),
            parameters: all(|row| &row.powers).collect(),
            constants: constants.collect(),
        }
    }

    pub(super) fn all_constants(&self) -> Vec<Constant> {
        let Constants { offsets, efficiencies, crosstalk, sensitivities } = &self.constants;
        Constant::bank("offset", offsets)
            .chain(Constant::bank("efficiency", efficiencies))
            .chain([Constant { name: "crosstalk".to_owned(), value: *crosstalk }])
            .chain(Constant::bank("sensitivity", sensitivities))
            .collect()
    }

    pub(super) fn set_all_constants(&mut self, values: &[f32]) {
        let Constants { offsets, efficiencies, crosstalk, sensitivities } = &mut self.constants;
        let (of_offsets, rest) = values.split_at(offsets.len());
        let (of_efficiencies, rest) = rest.split_at(efficiencies.len());
        offsets.copy_from_slice(of_offsets);
        efficiencies.copy_from_slice(of_efficiencies);
        *crosstalk = rest[0];
        sensitivities.copy_from_slice(&rest[1..]);
    }
}

/// Cotangents of a row's parameters and constants.
struct OfRow {
    powers: Vec<f32>,
    offsets: Vec<f32>,
    efficiencies: Vec<f32>,
    crosstalk: f32,
    sensitivity: f32,
}
