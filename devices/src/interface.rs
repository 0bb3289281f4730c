//! What a device accepts and returns.

use std::fmt;

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::{DeviceError, Part};

/// A run of channels of one kind: one unit, one range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank {
    /// What its channels drive or read.
    pub name: String,
    /// How many channels.
    pub count: usize,
    /// Unit of their values; `"1"` for a fraction.
    pub unit: String,
    /// Smallest value that may reach, or come from, the device.
    pub minimum: f32,
    /// Largest such value.
    pub maximum: f32,
    /// Largest change from one shot to the next that the device accepts; `None` is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_step: Option<f32>,
    /// For parameters that are the weights W of a linear device: its readings are this gain times W x, with x
    /// the drives. The weights are ordered by input, then by output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix_gain: Option<f32>,
    /// The part of complex amplitudes that its channels have; `None` for channels that stand alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Steps of a raster, whose cells are 1 for a spike and 0 without one; the channels are ordered by step, then by line.
    /// `None` for channels that are no raster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
}

impl Bank {
    /// Lines of a raster: channels of each step. `None` for channels that are no raster.
    #[must_use]
    pub fn lines(&self) -> Option<usize> {
        self.steps.map(|steps| self.count / steps.max(1))
    }

    /// Middle of the range.
    #[must_use]
    pub fn middle(&self) -> f32 {
        0.5 * (self.maximum + self.minimum)
    }

    /// Width of the range.
    #[must_use]
    pub fn span(&self) -> f32 {
        self.maximum - self.minimum
    }

    /// Half the range.
    #[must_use]
    pub fn half_span(&self) -> f32 {
        0.5 * (self.maximum - self.minimum)
    }

    /// The value of the range that is nearest to zero.
    #[must_use]
    pub fn nearest_to_zero(&self) -> f32 {
        0.0f32.clamp(self.minimum, self.maximum)
    }

    /// The largest power of two up to half the range. Values divided by it are of order one in any unit, so
    /// that their squares stay within 32-bit floats, and the division is exact.
    #[must_use]
    pub fn binary_unit(&self) -> f32 {
        // The exponent alone, limited so that its reciprocal is a normal number.
        let exponent = (self.half_span().to_bits() >> 23) & 0xff;
        f32::from_bits(exponent.clamp(1, 252) << 23)
    }
}

/// One input, parameter or output of a device; it prints as the bank's name and its number in the bank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel<'a> {
    /// Name of its bank.
    pub bank: &'a str,
    /// Its number in the bank, from zero.
    pub number: usize,
    /// Unit of its values.
    pub unit: &'a str,
    /// Smallest value that may reach, or come from, the device.
    pub minimum: f32,
    /// Largest such value.
    pub maximum: f32,
}

impl Channel<'_> {
    /// Width of the range.
    #[must_use]
    pub fn span(&self) -> f32 {
        self.maximum - self.minimum
    }
}

impl fmt::Display for Channel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.bank, self.number)
    }
}

/// The inputs, parameters or outputs of a device, in banks of equal channels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Channels {
    banks: Vec<Bank>,
}

impl Channels {
    /// No channels.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// `count` channels with one unit and one range.
    #[must_use]
    pub fn bank(name: &str, count: usize, unit: &str, minimum: f32, maximum: f32) -> Self {
        let (name, unit) = (name.to_owned(), unit.to_owned());
        let (largest_step, matrix_gain, part, steps) = (None, None, None, None);
        Self {
            banks: vec![Bank {
                name,
                count,
                unit,
                minimum,
                maximum,
                largest_step,
                matrix_gain,
                part,
                steps,
            }],
        }
    }

    /// These channels, each of which may change by at most `largest` from one shot to the next.
    #[must_use]
    pub fn with_largest_step(mut self, largest: f32) -> Self {
        self.banks.iter_mut().for_each(|bank| bank.largest_step = Some(largest));
        self
    }

    /// These channels as the weights W of a linear device: its readings are `gain` times W x, with x the
    /// drives. The weights are ordered by input, then by output.
    #[must_use]
    pub fn with_matrix_gain(mut self, gain: f32) -> Self {
        self.banks.iter_mut().for_each(|bank| bank.matrix_gain = Some(gain));
        self
    }

    /// These channels, then `more`.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.banks.extend(more.banks);
        self
    }

    pub(crate) fn of_banks(banks: Vec<Bank>) -> Self {
        Self { banks }
    }

    /// The banks.
    #[must_use]
    pub fn banks(&self) -> &[Bank] {
        &self.banks
    }

    pub(crate) fn banks_mut(&mut self) -> &mut [Bank] {
        &mut self.banks
    }

    /// Number of channels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.banks.iter().map(|bank| bank.count).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is invalid in the parts of complex amplitudes and in the rasters, if anything; `side` is for the sentence.
    #[must_use]
    pub fn fault(&self, side: &str) -> Option<String> {
        self.fault_of_parts(side).or_else(|| self.fault_of_rasters(side))
    }

    /// The channels one by one.
    pub fn iter(&self) -> impl Iterator<Item = Channel<'_>> + Clone {
        self.banks.iter().flat_map(|bank| {
            (0..bank.count).map(move |number| Channel {
                bank: &bank.name,
                number,
                unit: &bank.unit,
                minimum: bank.minimum,
                maximum: bank.maximum,
            })
        })
    }

    /// One shot's `values`, split by bank, mutable.
    pub fn runs_mut<'a>(
        &'a self,
        values: &'a mut [f32],
    ) -> impl Iterator<Item = (&'a Bank, &'a mut [f32])> {
        let mut rest = values;
        self.banks.iter().map(move |bank| {
            let (run, behind) = std::mem::take(&mut rest).split_at_mut(bank.count);
            rest = behind;
            (bank, run)
        })
    }

    /// One shot's `values`, split by bank.
    pub fn runs<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = (&'a Bank, &'a [f32])> {
        let mut rest = values;
        self.banks.iter().map(move |bank| {
            let (run, behind) = rest.split_at(bank.count);
            rest = behind;
            (bank, run)
        })
    }
}

impl Channels {
    /// The [binary unit](Bank::binary_unit) of each channel.
    pub fn binary_units(&self) -> impl Iterator<Item = f32> + Clone {
        self.banks.iter().flat_map(|bank| std::iter::repeat_n(bank.binary_unit(), bank.count))
    }

    /// `values` `[channels × shots]`, each minus the [value nearest to zero](Bank::nearest_to_zero) of its
    /// range, divided by its [binary unit](Bank::binary_unit). Free of units, so that squares and sums over
    /// channels can be formed.
    #[must_use]
    pub fn in_binary_units(&self, values: &DMatrix<f32>) -> DMatrix<f32> {
        let mut scaled = values.clone();
        for shot in scaled.as_mut_slice().chunks_mut(self.len().max(1)) {
            for (bank, run) in self.runs_mut(shot) {
                let (zero, per_unit) = (bank.nearest_to_zero(), bank.binary_unit().recip());
                run.iter_mut().for_each(|value| *value = (*value - zero) * per_unit);
            }
        }
        scaled
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, bank) in self.banks.iter().enumerate() {
            let Bank { name, count, unit, minimum, maximum, largest_step, part, .. } = bank;
            let comma = if place == 0 { "" } else { ", " };
            if let (Some(steps), Some(lines)) = (bank.steps, bank.lines()) {
                write!(f, "{comma}raster of {lines} × `{name}` in {steps} steps")?;
                continue;
            }
            write!(f, "{comma}{count} × `{name}` from {minimum} to {maximum} {unit}")?;
            if let Some(step) = largest_step {
                write!(f, " in steps of at most {step} {unit}")?;
            }
            if let Some(part) = part {
                write!(f, " (part `{}` of complex amplitudes)", part.name())?;
            }
        }
        Ok(())
    }
}

/// What a device accepts and returns: its channels with ranges and units.
///
/// ```
/// use twinprop_devices::{Channels, Interface};
///
/// let interface = Interface {
///     device: "pulse shaper".to_owned(),
///     // Two banks of data channels with units and ranges of their own.
///     inputs: Channels::bank("amplitude", 50, "1", 0.0, 1.0)
///         .and(Channels::bank("phase", 50, "rad", -3.14, 3.14)),
///     parameters: Channels::bank("bias", 8, "V", -5.0, 5.0).with_largest_step(0.5),
///     outputs: Channels::bank("power", 32, "mW", 0.0, 20.0),
///     seconds_per_shot: 1e-3,
/// };
/// assert_eq!(interface.inputs.len(), 100);
/// let channel = interface.inputs.iter().nth(50).expect("the first phase");
/// assert_eq!((channel.to_string().as_str(), channel.unit), ("phase 0", "rad"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// The kind of device, such as `second_harmonic`.
    pub device: String,
    /// Channels that carry data.
    pub inputs: Channels,
    /// Channels that carry trainable parameters.
    pub parameters: Channels,
    /// Channels that are measured.
    pub outputs: Channels,
    /// Time one shot takes on the device, in seconds.
    pub seconds_per_shot: f64,
}

impl Interface {
    /// For a linear device with its weights as parameters: the gain from normalised weights and drives, both
    /// in [−1, 1], to the readings. `None` unless the drives have one range about zero, and the weights too.
    #[must_use]
    pub fn normalised_matrix_gain(&self) -> Option<f32> {
        let ([inputs], [weights]) = (self.inputs.banks(), self.parameters.banks()) else {
            return None;
        };
        let is_centred = inputs.middle() == 0.0 && weights.middle() == 0.0;
        let gain = weights.matrix_gain.filter(|_| is_centred)?;
        Some(gain * inputs.half_span() * weights.half_span())
    }

    /// The first difference between this interface and `other`, described for each of them. The time of a
    /// shot may differ.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<(String, String)> {
        if self.device != other.device {
            let device = |interface: &Self| format!("its kind `{}`", interface.device);
            return Some((device(self), device(other)));
        }
        let sides: [(&str, &Channels, &Channels); 3] = [
            ("inputs", &self.inputs, &other.inputs),
            ("parameters", &self.parameters, &other.parameters),
            ("outputs", &self.outputs, &other.outputs),
        ];
        for (side, here, there) in sides {
            if here.len() != there.len() {
                let number = |channels: &Channels| format!("{} {side}", channels.len());
                return Some((number(here), number(there)));
            }
            if here != there {
                return Some((format!("{side} {here}"), format!("{side} {there}")));
            }
        }
        None
    }

    /// Checks the sizes of a batch and returns its number of shots.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] names the operand that does not fit.
    pub fn check_shapes(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &DMatrix<f32>,
    ) -> Result<usize, DeviceError> {
        let shots = inputs.ncols();
        self.check_size("inputs (channels)", self.inputs.len(), inputs.nrows())?;
        self.check_size("parameters", self.parameters.len(), parameters.len())?;
        self.check_size("outputs (channels)", self.outputs.len(), outputs.nrows())?;
        self.check_size("outputs (shots)", shots, outputs.ncols())?;
        Ok(shots)
    }

    /// Checks the sizes of a batch in which every shot has parameters of its own
    /// (`[n_parameters × shots]`), and returns its number of shots.
    ///
    /// # Errors
    /// As [`check_shapes`](Self::check_shapes).
    pub fn check_shapes_of_each(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &DMatrix<f32>,
    ) -> Result<usize, DeviceError> {
        let shots = inputs.ncols();
        self.check_size("inputs (channels)", self.inputs.len(), inputs.nrows())?;
        self.check_size("parameters (channels)", self.parameters.len(), parameters.nrows())?;
        self.check_size("parameters (shots)", shots, parameters.ncols())?;
        self.check_size("outputs (channels)", self.outputs.len(), outputs.nrows())?;
        self.check_size("outputs (shots)", shots, outputs.ncols())?;
        Ok(shots)
    }

    /// Checks the sizes of a measurement of several settings, `parameters` `[n_parameters × settings]`, and returns the
    /// shots of each.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] for the first size that does not fit.
    pub fn check_shapes_of_settings(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &DMatrix<f32>,
    ) -> Result<usize, DeviceError> {
        let shots = inputs.ncols() / parameters.ncols().max(1);
        let all = shots * parameters.ncols();
        self.check_size("inputs (channels)", self.inputs.len(), inputs.nrows())?;
        self.check_size("inputs (shots)", all, inputs.ncols())?;
        self.check_size("parameters (channels)", self.parameters.len(), parameters.nrows())?;
        self.check_size("outputs (channels)", self.outputs.len(), outputs.nrows())?;
        self.check_size("outputs (shots)", all, outputs.ncols())?;
        Ok(shots)
    }

    pub(crate) fn check_size(
        &self,
        operand: &'static str,
        expected: usize,
        found: usize,
    ) -> Result<(), DeviceError> {
        if expected == found {
            return Ok(());
        }
        Err(DeviceError::Shape { device: self.device.clone(), operand, expected, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_binary_units_keep_their_digits_in_any_unit() {
        let bank = |unit: f32| Channels::bank("y", 1, "any", -0.7 * unit, 1.3 * unit);
        let readings = DMatrix::from_row_slice(1, 3, &[-0.7f32, 0.123_456, 1.3]);
        let plain = bank(1.0).in_binary_units(&readings);
        assert_eq!(plain, readings, "half a range from 1 to 2 has the binary unit 1");
        for exponent in [-100, -40, -1, 1, 3, 40, 100] {
            let unit = 2f32.powi(exponent);
            assert_eq!(bank(unit).in_binary_units(&(unit * &readings)), plain, "2^{exponent}");
        }
    }

    #[test]
    fn a_range_far_from_zero_is_scaled_from_its_nearest_end() {
        let far = Channels::bank("frequency", 1, "Hz", 2e14, 2e14 + 4e9);
        let readings =
            DMatrix::from_row_slice(1, 2, &[far.banks()[0].minimum, far.banks()[0].maximum]);
        let scaled = far.in_binary_units(&readings);
        assert_eq!(scaled[0], 0.0);
        assert!((2.0..=4.0).contains(&scaled[1]), "{scaled}");
        let below = Channels::bank("frequency", 1, "Hz", -3.0, -1.0);
        assert_eq!(below.banks()[0].nearest_to_zero(), -1.0);
    }
}
