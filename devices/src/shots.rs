//! Shots of a device in memory: drives, parameters and readings.

use crate::{DeviceError, PhysicalLayer, runs_of_equal_parameters};
use nalgebra::{DMatrix, DVector};

/// Seconds of the device's time between two reports of progress.
const SECONDS_A_PIECE: f64 = 0.25;
/// Largest number of shots between two reports of progress.
const MOST_SHOTS_A_PIECE: f64 = 64.0;

/// Shots of one device, a column each, every shot with its own parameters.
///
/// ```
/// use nalgebra::DMatrix;
/// use twinprop_devices::mechanical::{Pendula, PendulaConfig};
/// use twinprop_devices::{PhysicalLayer, Shots};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut device = Pendula::nominal(&PendulaConfig { count: 3, ..Default::default() });
/// let (inputs, parameters) = (device.interface().inputs.len(), device.interface().parameters.len());
/// let inputs = DMatrix::from_fn(inputs, 20, |row, shot| 0.1 * ((row + shot) as f32).sin());
/// let parameters = DMatrix::zeros(parameters, 20);
/// let shots = Shots::measure(&mut device, inputs, parameters, |done| println!("{done} shots"))?;
/// let (seen, unseen) = shots.split_last(5);
/// assert_eq!((seen.len(), unseen.len()), (15, 5));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Shots {
    /// `[n_inputs × shots]`, in the device's units.
    pub inputs: DMatrix<f32>,
    /// `[n_parameters × shots]`, in the device's units.
    pub parameters: DMatrix<f32>,
    /// `[n_outputs × shots]`, in the device's units.
    pub outputs: DMatrix<f32>,
}

impl Shots {
    /// Plays the drives `inputs` `[n_inputs × shots]` with the `parameters` `[n_parameters × shots]`;
    /// `progress` gets the number of shots that are done, about four times a second of the device's time.
    ///
    /// # Errors
    /// Those of the device.
    pub fn measure(
        device: &mut dyn PhysicalLayer,
        inputs: DMatrix<f32>,
        parameters: DMatrix<f32>,
        mut progress: impl FnMut(usize),
    ) -> Result<Self, DeviceError> {
        let interface = device.interface();
        let (bins, shots) = (interface.outputs.len(), inputs.ncols());
        let shots_a_piece = SECONDS_A_PIECE / interface.seconds_per_shot;
        let piece = shots_a_piece.clamp(1.0, MOST_SHOTS_A_PIECE) as usize;
        let mut outputs = DMatrix::zeros(bins, shots);
        for first in (0..shots).step_by(piece) {
            let count = piece.min(shots - first);
            let mut readings = DMatrix::zeros(bins, count);
            device.measure_each(
                &inputs.columns(first, count).into_owned(),
                &parameters.columns(first, count).into_owned(),
                &mut readings,
            )?;
            outputs.columns_mut(first, count).copy_from(&readings);
            progress(first + count);
        }
        Ok(Self { inputs, parameters, outputs })
    }

    /// Number of shots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.ncols()
    }

    /// Whether it has no shot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// These shots, then `others`.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self {
            inputs: beside(&self.inputs, &others.inputs),
            parameters: beside(&self.parameters, &others.parameters),
            outputs: beside(&self.outputs, &others.outputs),
        }
    }

    /// Splits off the last `count` shots; returns the others, then these.
    ///
    /// # Panics
    /// If there are fewer than `count` shots.
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
    pub fn runs(&self, longest: usize) -> Vec<ShotRun> {
        runs_of_equal_parameters(&self.parameters, longest)
            .map(|run| ShotRun {
                inputs: self.inputs.columns(run.start, run.len()).into_owned(),
                parameters: self.parameters.column(run.start).into_owned(),
                outputs: self.outputs.columns(run.start, run.len()).into_owned(),
            })
            .collect()
    }
}

/// The columns of `left`, then those of `right`, which have the same number of rows.
#[must_use]
pub fn beside(left: &DMatrix<f32>, right: &DMatrix<f32>) -> DMatrix<f32> {
    let values = left.as_slice().iter().chain(right.as_slice()).copied();
    DMatrix::from_iterator(left.nrows(), left.ncols() + right.ncols(), values)
}

/// Shots of one device on one setting of its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct ShotRun {
    /// `[n_inputs × shots]`, in the device's units.
    pub inputs: DMatrix<f32>,
    /// `[n_parameters]`, in the device's units.
    pub parameters: DVector<f32>,
    /// `[n_outputs × shots]`, in the device's units.
    pub outputs: DMatrix<f32>,
}

impl ShotRun {
    /// Number of shots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.ncols()
    }

    /// Whether it has no shot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of the values in it.
    #[must_use]
    pub fn values(&self) -> usize {
        self.inputs.len() + self.parameters.len() + self.outputs.len()
    }
}
