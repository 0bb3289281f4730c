//! Whether a device has drifted: the same drives again, against what they once gave.
//!
//! ```text
//! T = Σ_d Σ_o w_o (ȳ_do − r̄_do)²      r̄, ȳ: means of a drive's readings then and now
//! ```
//!
//! with w_o one over the variance of output o about its means, and readings in
//! [binary units](Channels::in_binary_units). If nothing has changed, a drive's
//! readings of then and now can change places; so T is compared with what it is when they do, at random
//! (a permutation test; Pitman 1937). The alarm is wrong at the rate that was asked for, whatever the
//! device's noise looks like.

use nalgebra::{DMatrix, DVector};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Channels, DeviceError, PhysicalLayer, random, validate};

use crate::shots::Shots;

/// How drift is looked for; in a recipe, `[calibration.watch]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WatchConfig {
    /// Drives of the reference set.
    #[serde(deserialize_with = "validate::count")]
    pub drives: usize,
    /// Shots of each.
    #[serde(deserialize_with = "validate::count")]
    pub repeats: usize,
    /// Share of the looks at a device that has not changed in which the alarm is raised all the same.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub false_alarm_rate: f64,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self { drives: 32, repeats: 4, false_alarm_rate: 0.01 }
    }
}

/// A device's readings of some drives, several times each.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The device's outputs.
    pub outputs: Channels,
    /// `[n_inputs × drives]`.
    pub inputs: DMatrix<f32>,
    /// `[n_parameters × drives]`.
    pub parameters: DMatrix<f32>,
    /// `[n_outputs × drives]`, once a repeat.
    pub readings: Vec<DMatrix<f32>>,
}

/// What has become of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// How far its readings have moved, as a share of their standard deviation over the drives, the
    /// noise taken off.
    pub moved: f32,
    /// How often readings of a device that has not changed look like this, or worse.
    pub p_value: f64,
    /// Whether that is seldom enough for an alarm.
    pub alarm: bool,
}

impl Reference {
    /// Plays every drive once, then again, `repeats` times.
    ///
    /// # Errors
    /// Whatever the device answers.
    pub fn measure(
        device: &mut dyn PhysicalLayer,
        inputs: DMatrix<f32>,
        parameters: DMatrix<f32>,
        repeats: usize,
    ) -> Result<Self, DeviceError> {
        let mut readings = Vec::with_capacity(repeats);
        let (mut inputs, mut parameters) = (inputs, parameters);
        for _ in 0..repeats {
            let once = Shots::measure(device, inputs, parameters, |_| ())?;
            readings.push(once.outputs);
            (inputs, parameters) = (once.inputs, once.parameters);
        }
        let outputs = device.interface().outputs.clone();
        Ok(Self { outputs, inputs, parameters, readings })
    }

    /// Plays the same drives on `device` now, and compares.
    ///
    /// # Errors
    /// Whatever the device answers.
    pub fn compare(
        &self,
        device: &mut dyn PhysicalLayer,
        config: &WatchConfig,
        seed: u64,
    ) -> Result<Drift, DeviceError> {
        let now =
            Self::measure(device, self.inputs.clone(), self.parameters.clone(), config.repeats)?;
        Ok(self.drift(&now, config.false_alarm_rate, seed))
    }

    /// What has changed from these readings to those of `now`, of the same drives.
    #[must_use]
    pub fn drift(&self, now: &Self, false_alarm_rate: f64, seed: u64) -> Drift {
        let (own, others) = (self.in_binary_units(), now.in_binary_units());
        let both: Vec<&DMatrix<f32>> = own.iter().chain(&others).collect();
        let then = own.len();
        let variance = within_drives(&both);
        let least = LEAST_VARIANCE * variance.max();
        let weight = variance.zip_map(&rounding(&both), |variance, rounding| {
            let variance = variance.max(least).max(rounding * rounding);
            // An output that is always zero says nothing.
            if variance > 0.0 { variance.sqrt().recip() } else { 0.0 }
        });
        // Of each drive, the products of its readings: T is a quadratic form of them in the signs and
        // counts of then and now, so that a permutation costs no more for many outputs.
        let products: Vec<DMatrix<f32>> = (0..self.inputs.ncols())
            .map(|drive| {
                let columns: Vec<_> = both.iter().map(|once| once.column(drive)).collect();
                let mut readings = DMatrix::from_columns(&columns);
                let centre = readings.column_mean();
                for mut reading in readings.column_iter_mut() {
                    reading -= &centre;
                    reading.component_mul_assign(&weight);
                }
                readings.tr_mul(&readings)
            })
            .collect();
        let now_count = both.len() - then;
        let mut side = DVector::from_fn(both.len(), |shot, _| {
            if shot < then { -1.0 / then as f32 } else { 1.0 / now_count as f32 }
        });
        let mut permuted = |shuffle: &mut dyn FnMut(&mut [f32])| -> f64 {
            let of_drive = |products: &DMatrix<f32>| {
                shuffle(side.as_mut_slice());
                f64::from(side.dot(&(products * &side)))
            };
            products.iter().map(of_drive).sum()
        };
        let observed = permuted(&mut |_| ());
        // So many that the rate is one of the values that p can have.
        let permutations = (PERMUTATIONS / false_alarm_rate).ceil() as usize - 1;
        let mut random = random::stream(seed, "drift");
        // In a device without noise all orders give the same sums but for their rounding.
        let as_far = observed * (1.0 - 1e-5);
        let further = (0..permutations)
            .filter(|_| permuted(&mut |side| side.shuffle(&mut random)) >= as_far)
            .count();
        let p_value = (1 + further) as f64 / (1 + permutations) as f64;
        Drift { moved: moved(&own, &others), p_value, alarm: p_value <= false_alarm_rate }
    }

    /// The readings in binary units of their outputs.
    fn in_binary_units(&self) -> Vec<DMatrix<f32>> {
        self.readings.iter().map(|once| self.outputs.in_binary_units(once)).collect()
    }
}

/// How far readings have moved from `then` to `now`, each once a repeat, as [`Drift`] has it.
fn moved(then: &[DMatrix<f32>], now: &[DMatrix<f32>]) -> f32 {
    let (own, others): (Vec<_>, Vec<_>) = (then.iter().collect(), now.iter().collect());
    let (then, now) = (mean(&own), mean(&others));
    let drives = then.ncols() as f32;
    let centre = then.column_mean();
    let spread: f32 = then.column_iter().map(|y| (y - &centre).norm_squared()).sum();
    // About the means of then and now apart, or the change itself would count as noise.
    let (own_share, others_share) = (own.len() as f32, others.len() as f32);
    let parts = 1.0 / own_share + 1.0 / others_share;
    let noise = (within_drives(&own) * own_share + within_drives(&others) * others_share)
        / (own_share + others_share);
    let change = (now - then).norm_squared() - noise.sum() * drives * parts;
    if spread > 0.0 { (change.max(0.0) / spread).sqrt() } else { 0.0 }
}

/// Permutations, over the false-alarm rate: p-values as fine as a twentieth of it.
const PERMUTATIONS: f64 = 20.0;

/// The smallest variance that counts, as a share of the largest: readings without noise differ by rounding
/// alone.
const LEAST_VARIANCE: f32 = 1e-6;

/// How much the rounding of 32-bit floats may change each output of `readings`.
fn rounding(readings: &[&DMatrix<f32>]) -> DVector<f32> {
    let outputs = readings.first().map_or(0, |once| once.nrows());
    DVector::from_fn(outputs, |output, _| {
        let largest = readings.iter().map(|once| once.row(output).amax());
        f32::EPSILON * largest.fold(0.0, f32::max)
    })
}

/// Variance of each output about its mean over the repeats, averaged over the drives; zero for a single
/// repeat.
fn within_drives(readings: &[&DMatrix<f32>]) -> DVector<f32> {
    let count = readings.len() as f32;
    let (outputs, drives) = readings.first().map_or((0, 0), |once| once.shape());
    let mean = mean(readings);
    let mut total = DVector::zeros(outputs);
    for once in readings {
        for (now, mean) in once.column_iter().zip(mean.column_iter()) {
            let difference = now - mean;
            total += difference.component_mul(&difference);
        }
    }
    total / (drives as f32 * (count - 1.0).max(1.0))
}

/// Mean over the repeats, `[n_outputs × drives]`.
fn mean(readings: &[&DMatrix<f32>]) -> DMatrix<f32> {
    let (outputs, drives) = readings.first().map_or((0, 0), |once| once.shape());
    let sum = readings.iter().fold(DMatrix::zeros(outputs, drives), |sum, once| sum + *once);
    sum / readings.len().max(1) as f32
}
