//! What a device answered: drives and measurements of a calibration.

use nalgebra::{DMatrix, DVector};
use twinprop_devices::{DeviceError, PhysicalLayer};

/// Shots of one device, a column each, every shot with its own parameters.
#[derive(Clone, Debug)]
pub struct Shots {
    /// `[n_inputs × shots]`, in the device's units.
    pub inputs: DMatrix<f32>,
    /// `[n_parameters × shots]`, in the device's units.
    pub parameters: DMatrix<f32>,
    /// `[n_outputs × shots]`, in the device's units.
    pub outputs: DMatrix<f32>,
}

impl Shots {
    /// Plays the drives of a design, `progress` hears how many are done.
    ///
    /// # Errors
    /// Whatever the device answers.
    pub fn measure(
        device: &mut dyn PhysicalLayer,
        inputs: DMatrix<f32>,
        parameters: DMatrix<f32>,
        mut progress: impl FnMut(usize),
    ) -> Result<Self, DeviceError> {
        let bins = device.interface().outputs.len();
        let mut outputs = DMatrix::zeros(bins, inputs.ncols());
        let mut input = DMatrix::zeros(inputs.nrows(), 1);
        let mut parameter = DVector::zeros(parameters.nrows());
        let mut output = DMatrix::zeros(bins, 1);
        for shot in 0..inputs.ncols() {
            input.copy_from(&inputs.column(shot));
            parameter.copy_from(&parameters.column(shot));
            device.measure(&input, &parameter, &mut output)?;
            outputs.set_column(shot, &output.column(0));
            progress(shot + 1);
        }
        Ok(Self { inputs, parameters, outputs })
    }

    /// Number of shots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.ncols()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// These and `others`.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self {
            inputs: beside(&self.inputs, &others.inputs),
            parameters: beside(&self.parameters, &others.parameters),
            outputs: beside(&self.outputs, &others.outputs),
        }
    }

    /// Splits off the last `count` shots: (the rest, the last).
    #[must_use]
    pub fn split_last(&self, count: usize) -> (Self, Self) {
        let first = self.len() - count;
        let part = |start, count| Self {
            inputs: self.inputs.columns(start, count).into_owned(),
            parameters: self.parameters.columns(start, count).into_owned(),
            outputs: self.outputs.columns(start, count).into_owned(),
        };
        (part(0, first), part(first, count))
    }

    /// The shots in runs of at most `longest` neighbours that share their parameters.
    #[must_use]
    pub fn runs(&self, longest: usize) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut first = 0;
        while first < self.len() {
            let setting = self.parameters.column(first);
            let count = (first..self.len().min(first + longest.max(1)))
                .take_while(|&shot| self.parameters.column(shot) == setting)
                .count();
            runs.push(Run {
                inputs: self.inputs.columns(first, count).into_owned(),
                parameters: setting.into_owned(),
                outputs: self.outputs.columns(first, count).into_owned(),
            });
            first += count;
        }
        runs
    }
}

/// The columns of `left`, then those of `right`, as many rows as both have.
#[must_use]
pub fn beside(left: &DMatrix<f32>, right: &DMatrix<f32>) -> DMatrix<f32> {
    let values = left.as_slice().iter().chain(right.as_slice()).copied();
    DMatrix::from_iterator(left.nrows(), left.ncols() + right.ncols(), values)
}

/// Shots of one device on one setting of its parameters.
#[derive(Clone, Debug)]
pub struct Run {
    /// `[n_inputs × shots]`, in the device's units.
    pub inputs: DMatrix<f32>,
    /// `[n_parameters]`, in the device's units.
    pub parameters: DVector<f32>,
    /// `[n_outputs × shots]`, in the device's units.
    pub outputs: DMatrix<f32>,
}

impl Run {
    /// Number of shots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.ncols()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values that it holds.
    #[must_use]
    pub fn values(&self) -> usize {
        self.inputs.len() + self.parameters.len() + self.outputs.len()
    }
}
