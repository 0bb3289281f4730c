//! Data and parameters as the samples of one waveform (or the channels of one spectrum).

use crate::DeviceError;
use crate::lanes::{LANES, Lane};

/// Slot of each of `inputs` data values, then of each of `parameters` values, both spread evenly over
/// the waveform.
#[must_use]
pub fn interleave(inputs: usize, parameters: usize) -> Vec<usize> {
    let centre = |index: usize, count: usize| (2 * index + 1) as f64 / (2 * count) as f64;
    let mut order: Vec<(f64, usize)> = (0..inputs)
        .map(|index| (centre(index, inputs), index))
        .chain((0..parameters).map(|index| (centre(index, parameters), inputs + index)))
        .collect();
    order.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    let mut placement = vec![0; inputs + parameters];
    for (slot, (_, value)) in order.into_iter().enumerate() {
        placement[value] = slot;
    }
    placement
}

/// How a waveform's samples become integration steps, and which of them are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    samples: usize,
    steps_per_sample: usize,
    readings: usize,
}

impl Sampling {
    /// `samples` samples of `steps_per_sample` steps each, read `readings` times.
    ///
    /// # Errors
    /// [`DeviceError::Config`] where `device` would have more readings than steps.
    pub(crate) fn new(
        device: &str,
        samples: usize,
        steps_per_sample: usize,
        readings: usize,
    ) -> Result<Self, DeviceError> {
        let sampling = Self { samples, steps_per_sample, readings };
        let steps = sampling.steps();
        if readings > steps {
            return Err(DeviceError::Config {
                device: device.to_owned(),
                problem: format!(
                    "outputs = {readings} exceeds the {steps} integration steps of a shot; ask for fewer, or raise steps_per_sample"
                ),
            });
        }
        Ok(sampling)
    }

    /// Integration steps of a shot.
    pub(crate) fn steps(&self) -> usize {
        self.samples * self.steps_per_sample
    }

    /// The sample that is held during step `step`.
    pub(crate) fn sample(&self, step: usize) -> usize {
        step / self.steps_per_sample
    }

    /// Readings of a shot.
    pub(crate) fn readings(&self) -> usize {
        self.readings
    }

    /// Steps from the reading before `reading`, or from the start, to it.
    pub(crate) fn steps_before(&self, reading: usize) -> usize {
        let start = if reading == 0 { 0 } else { self.read_after(reading - 1) };
        self.read_after(reading) - start
    }

    /// Steps after which reading `reading` is taken.
    pub(crate) fn read_after(&self, reading: usize) -> usize {
        (reading + 1) * self.steps() / self.readings
    }
}

/// A waveform of parameters, with gaps that each shot's data fill.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The samples: parameters set, data zero.
    samples: Vec<f32>,
    /// Slots of the data, and of the parameters.
    of_data: Vec<usize>,
    of_parameters: Vec<usize>,
}

impl Placed {
    /// Places `parameters` in the last slots of `placement`; the slots before them are for data.
    pub(crate) fn new(placement: &[usize], parameters: &[f32]) -> Self {
        let (of_data, of_parameters) = placement.split_at(placement.len() - parameters.len());
        let mut samples = vec![0.0; placement.len()];
        for (value, &slot) in parameters.iter().zip(of_parameters) {
            samples[slot] = *value;
        }
        Self { samples, of_data: of_data.to_vec(), of_parameters: of_parameters.to_vec() }
    }

    /// The waveform of each shot of a block.
    #[inline(always)]
    pub(crate) fn with_data(&self, inputs: &[Lane]) -> Vec<Lane> {
        let mut waveform: Vec<Lane> = self.samples.iter().map(|&value| [value; LANES]).collect();
        for (input, &slot) in inputs.iter().zip(&self.of_data) {
            waveform[slot] = *input;
        }
        waveform
    }

    /// The adjoint of [`with_data`](Self::with_data): from the waveform's cotangent to that of the
    /// data, and to that of the parameters, summed over the shots.
    #[inline(always)]
    pub(crate) fn gather(
        &self,
        of_waveform: &[Lane],
        of_inputs: &mut [Lane],
        of_parameters: &mut [f32],
    ) {
        for (of_input, &slot) in of_inputs.iter_mut().zip(&self.of_data) {
            *of_input = of_waveform[slot];
        }
        for (sum, &slot) in of_parameters.iter_mut().zip(&self.of_parameters) {
            *sum += of_waveform[slot].iter().sum::<f32>();
        }
    }
}
