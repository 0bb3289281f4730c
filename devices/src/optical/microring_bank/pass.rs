//! Shots past the banks, and the adjoint of their readings.

use nalgebra::{DMatrix, DVector};

use super::bank::{MicroringBank, Setting, Weights};
use super::heaters::{heat, of_crosstalk};
use crate::matrix_product::multiply;
use crate::{LinearisedEquation, matrix_shots};

/// Shots at a setting, with what the adjoint needs.
pub(super) struct Pass {
    bank: MicroringBank,
    setting: Setting,
    weights: Weights,
    /// `[shots × N]`.
    inputs: DMatrix<f32>,
    /// Readings before they saturate, `[M × shots]`.
    readings: DMatrix<f32>,
}

/// Cotangents of the sensitivities and of the detunings.
struct OfRows {
    sensitivity: Vec<f32>,
    detunings: Vec<f32>,
}

/// The readings of `bank`.
pub(super) fn respond(
    bank: &MicroringBank,
    inputs: &DMatrix<f32>,
    parameters: &DVector<f32>,
    outputs: &mut DMatrix<f32>,
) {
    let weights = bank.weigh(&bank.at(parameters.as_slice()), -1.0, false).weights;
    let saturation = bank.saturation();
    let clamp = |readings: &mut [f32]| saturation.clamp(readings);
    matrix_shots::read(&bank.matrix(&weights), inputs, outputs, clamp);
}

impl MicroringBank {
    /// s_m / √N.
    fn gains(&self) -> impl Iterator<Item = f32> {
        let share = (self.channels as f32).sqrt().recip();
        self.sensitivity.iter().map(move |sensitivity| share * sensitivity)
    }

    /// What a reading takes of each drive, `[M × N]`, from the `weights`, row by row.
    fn matrix(&self, weights: &[f32]) -> DMatrix<f32> {
        let mut matrix = DMatrix::zeros(self.rows, self.channels);
        let rows = weights.chunks_exact(self.channels).zip(self.gains()).enumerate();
        for (row, (weights, gain)) in rows {
            let columns = matrix.as_mut_slice().chunks_exact_mut(self.rows);
            columns.zip(weights).for_each(|(column, weight)| column[row] = gain * weight);
        }
        matrix
    }
}

impl Pass {
    /// The shots `inputs` at `parameters`, which fit the interface.
    pub fn new(bank: &MicroringBank, inputs: &DMatrix<f32>, parameters: &DVector<f32>) -> Self {
        let setting = bank.at(parameters.as_slice());
        let weights = bank.weigh(&setting, -1.0, true);
        let mut readings = DMatrix::zeros(bank.rows, inputs.ncols());
        matrix_shots::read(&bank.matrix(&weights.weights), inputs, &mut readings, |_| ());
        Self { bank: bank.clone(), setting, weights, inputs: inputs.transpose(), readings }
    }

    /// The readings.
    pub fn readings(&self) -> DMatrix<f32> {
        let mut readings = self.readings.clone();
        self.bank.saturation().clamp(readings.as_mut_slice());
        readings
    }

    /// Cotangents of the drives and of the parameters.
    pub fn pull_back(
        &self,
        cotangents: &DMatrix<f32>,
        input_cotangents: Option<&mut DMatrix<f32>>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        let bank = &self.bank;
        let open = self.open(cotangents);
        let (channels, rows) = (bank.channels, bank.rows);
        if let Some(input_cotangents) = input_cotangents {
            let mut scaled = open.clone();
            for (mut shots, gain) in scaled.row_iter_mut().zip(bank.gains()) {
                shots *= gain;
            }
            let weights = &self.weights.weights;
            multiply(input_cotangents.as_mut_slice(), weights, scaled.as_slice(), channels, rows);
        }
        let of_heat = self.of_heat(&self.of_rows(&open).detunings);
        let of_rows = of_heat.chunks_exact(channels);
        let of_powers = parameter_cotangents.as_mut_slice().chunks_exact_mut(channels);
        for (of_heat, of_powers) in of_rows.zip(of_powers) {
            heat(bank.crosstalk, of_heat, of_powers);
        }
    }

    /// Cotangents of the constants, in their order.
    pub fn constants(&self, cotangents: &DMatrix<f32>) -> Vec<f32> {
        let OfRows { sensitivity, detunings } = self.of_rows(&self.open(cotangents));
        let bank = &self.bank;
        let of_heat = self.of_heat(&detunings);
        let of_heaters = detunings
            .iter()
            .zip(&self.setting.heat)
            .map(|(of_detuning, heat)| -bank.per_power * heat * of_detuning);
        let rows = self.setting.powers.chunks_exact(bank.channels);
        let crosstalk = rows
            .zip(of_heat.chunks_exact(bank.channels))
            .map(|(powers, of_heat)| of_crosstalk(bank.crosstalk, powers, of_heat))
            .sum();
        let of_resonances = detunings.iter().map(|of_detuning| -of_detuning);
        of_resonances.chain(of_heaters).chain(sensitivity).chain([crosstalk]).collect()
    }

    /// Cotangents of readings that do not saturate.
    fn open(&self, cotangents: &DMatrix<f32>) -> DMatrix<f32> {
        let saturation = self.bank.saturation();
        cotangents
            .zip_map(&self.readings, |cotangent, reading| saturation.pull_back(reading, cotangent))
    }

    fn of_rows(&self, open: &DMatrix<f32>) -> OfRows {
        let (bank, channels) = (&self.bank, self.bank.channels);
        let mut of_matrix = DMatrix::zeros(bank.rows, channels);
        let (left, right) = (open.as_slice(), self.inputs.as_slice());
        multiply(of_matrix.as_mut_slice(), left, right, bank.rows, open.ncols());
        // Row by row, as the weights are.
        let mut of_weights = of_matrix.transpose();
        let share = (channels as f32).sqrt().recip();
        let by_row = of_weights.as_mut_slice().chunks_exact_mut(channels);
        let sensitivity = by_row
            .zip(self.weights.weights.chunks_exact(channels))
            .zip(bank.gains())
            .map(|((of_weights, weights), gain)| {
                let sum: f32 = of_weights.iter().zip(weights).map(|(of, weight)| of * weight).sum();
                of_weights.iter_mut().for_each(|of| *of *= gain);
                share * sum
            })
            .collect();
        let detunings = bank.pull_back(&self.setting, &self.weights, of_weights.as_slice());
        OfRows { sensitivity, detunings }
    }

    /// Cotangents of the heat at each ring.
    fn of_heat(&self, of_detunings: &[f32]) -> Vec<f32> {
        let rings = of_detunings.iter().zip(&self.bank.efficiencies);
        rings.map(|(of, efficiency)| -self.bank.per_power * efficiency * of).collect()
    }
}

impl LinearisedEquation for Pass {
    fn vjp(
        &self,
        _readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: Option<&mut DMatrix<f32>>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        self.pull_back(cotangents, input_cotangents, parameter_cotangents);
    }
}
