//! Whether a device has drifted: its readings of the same drives, then and now.
//!
//! ```text
//! T = Σ_d Σ_o w_o (ȳ_do − r̄_do)²      r̄, ȳ: means of a drive's readings then and now
//! ```
//!
//! with w_o one over the variance of output o about its means, and readings in
//! [binary units](Channels::in_binary_units). If nothing has changed, a drive's readings of then and now
//! can be exchanged; so T is compared with its values for random exchanges (a permutation test; Pitman
//! 1937). False alarms have the chosen rate for any distribution of the device's noise.

use nalgebra::{DMatrix, DVector};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Channels, DeviceError, PhysicalLayer, random, validate};

use twinprop_devices::shots::Shots;

/// How drift is tested; in a recipe, `[calibration.watch]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WatchConfig {
    /// Drives of the reference set.
    #[serde(deserialize_with = "validate::count")]
    pub drives: usize,
    /// Shots of each drive.
    #[serde(deserialize_with = "validate::count")]
    pub repeats: usize,
    /// Rate of false alarms: share of the tests of an unchanged device that raise the alarm, between 0
    /// and 1.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub false_alarm_rate: f64,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self { drives: 32, repeats: 4, false_alarm_rate: 0.01 }
    }
}

/// A device's readings of some drives, several times each.
///
/// ```
/// use twinprop_calibration::design::DesignConfig;
/// use twinprop_calibration::{Reference, WatchConfig};
/// use twinprop_devices::PhysicalLayer;
/// use twinprop_devices::mechanical::{Pendula, PendulaConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = PendulaConfig { count: 3, ..Default::default() };
/// let watch = WatchConfig { drives: 8, ..WatchConfig::default() };
///
/// let mut device = Pendula::nominal(&config);
/// let (inputs, parameters) =
///     DesignConfig::Uniform.draw(device.interface(), watch.drives, None, 1)?;
/// let reference = Reference::measure(&mut device, inputs, parameters, watch.repeats)?;
///
/// // The same device, and one with other constants.
/// assert!(!reference.compare(&mut device, &watch, 1)?.alarm);
/// let mut other = Pendula::fabricated(&config, 0.1, 2);
/// assert!(reference.compare(&mut other, &watch, 1)?.alarm);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Reference {
    /// The device's outputs.
    pub outputs: Channels,
    /// `[n_inputs × drives]`, in the device's units.
    pub inputs: DMatrix<f32>,
    /// `[n_parameters × drives]`, in the device's units.
    pub parameters: DMatrix<f32>,
    /// `[n_outputs × drives]` for each repeat, in the device's units.
    pub readings: Vec<DMatrix<f32>>,
}

/// The change of a device between two measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftTest {
    /// Change of the readings as a share of their standard deviation over the drives, without the part of
    /// the noise.
    pub moved: f32,
    /// Probability that readings of an unchanged device differ at least as much.
    pub p_value: f64,
    /// Whether that is below the rate of false alarms.
    pub alarm: bool,
}

impl Reference {
    /// Plays all drives `repeats` times, one time after the other.
    ///
    /// # Errors
    /// Those of the device.
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

    /// Plays the same drives on `device`, and compares the readings.
    ///
    /// # Errors
    /// Those of the device.
    pub fn compare(
        &self,
        device: &mut dyn PhysicalLayer,
        config: &WatchConfig,
        seed: u64,
    ) -> Result<DriftTest, DeviceError> {
        let now =
            Self::measure(device, self.inputs.clone(), self.parameters.clone(), config.repeats)?;
        Ok(self.drift(&now, config.false_alarm_rate, seed))
    }

    /// The change from these readings to those of `now`, which are of the same drives.
    #[must_use]
    pub fn drift(&self, now: &Self, false_alarm_rate: f64, seed: u64) -> DriftTest {
        let (own, others) = (self.in_binary_units(), now.in_binary_units());
        let both: Vec<&DMatrix<f32>> = own.iter().chain(&others).collect();
        let then = own.len();
        let variance = within_drives(&both);
        let least = LEAST_VARIANCE * variance.max();
        let weight = variance.zip_map(&rounding(&both), |variance, rounding| {
            let variance = variance.max(least).max(rounding * rounding);
            // An output that is always zero has no weight.
            if variance > 0.0 { variance.sqrt().recip() } else { 0.0 }
        });
        // Products of the readings of each drive: T is a quadratic form in the signs and counts of then
        // and now, so that the time of a permutation does not depend on the number of outputs.
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
        // So many that p can be equal to the rate.
        let permutations = (PERMUTATIONS / false_alarm_rate).ceil() as usize - 1;
        let mut random = random::stream(seed, "drift");
        // Without noise, all orders give the same sums except for rounding.
        let as_far = observed * (1.0 - 1e-5);
        let further = (0..permutations)
            .filter(|_| permuted(&mut |side| side.shuffle(&mut random)) >= as_far)
            .count();
        let p_value = (1 + further) as f64 / (1 + permutations) as f64;
        DriftTest { moved: moved(&own, &others), p_value, alarm: p_value <= false_alarm_rate }
    }

    /// The readings in binary units of their outputs.
    fn in_binary_units(&self) -> Vec<DMatrix<f32>> {
        self.readings.iter().map(|once| self.outputs.in_binary_units(once)).collect()
    }
}

/// [`DriftTest::moved`] from the readings `then` to those `now`, a matrix a repeat.
fn moved(then: &[DMatrix<f32>], now: &[DMatrix<f32>]) -> f32 {
    let (own, others): (Vec<_>, Vec<_>) = (then.iter().collect(), now.iter().collect());
    let (then, now) = (mean(&own), mean(&others));
    let drives = then.ncols() as f32;
    let centre = then.column_mean();
    let spread: f32 = then.column_iter().map(|y| (y - &centre).norm_squared()).sum();
    // About separate means of then and now: the change must not count as noise.
    let (own_share, others_share) = (own.len() as f32, others.len() as f32);
    let parts = 1.0 / own_share + 1.0 / others_share;
    let noise = (within_drives(&own) * own_share + within_drives(&others) * others_share)
        / (own_share + others_share);
    let change = (now - then).norm_squared() - noise.sum() * drives * parts;
    if spread > 0.0 { (change.max(0.0) / spread).sqrt() } else { 0.0 }
}

/// Permutations times the false-alarm rate: p has steps of a twentieth of the rate.
const PERMUTATIONS: f64 = 20.0;

/// Smallest variance, as a share of the largest: readings without noise differ by rounding alone.
const LEAST_VARIANCE: f32 = 1e-6;

/// Largest rounding error of 32-bit floats in each output of `readings`.
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
