//! Derivatives of a device by central differences, and of its twin at the same points.

use burn::tensor::Device;
use nalgebra::{DMatrix, DVector, DVectorView};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use twinprop_devices::{Channels, DeviceError, PhysicalLayer};

use super::group::{Directions, Group};
use crate::bridge::{to_matrix, to_tensor};
use crate::twin::DigitalTwin;
use twinprop_devices::shots::Shots;

/// The largest step, as a share of the range.
pub(super) const LARGEST_STEP: f32 = 0.1;

/// Values that are computed at a time, at least those of one point: a device may have millions of
/// parameters.
const VALUES_AT_A_TIME: usize = 1 << 20;

/// Points about which gradients are compared, a column a point.
pub(super) struct Points {
    /// `[channels × points]`.
    pub drives: DMatrix<f32>,
    /// Readings of the shots that the drives are taken from, `[outputs × points]`, in the device's units.
    pub readings: DMatrix<f32>,
    /// Whether the drives of each point were moved inside their ranges, so that the readings are not theirs.
    pub is_moved: Vec<bool>,
}

/// A twin's gradients, a column a point.
pub(super) struct TwinGradients {
    /// Cotangents of readings in binary units, `[outputs × points]`.
    pub cotangents: DMatrix<f32>,
    /// Gradients with respect to inputs and parameters, `[channels × points]`.
    pub gradients: DMatrix<f32>,
}

/// Central differences of a device.
pub(super) struct CentralDifferences<'a> {
    pub device: &'a mut dyn PhysicalLayer,
    /// Inputs, then parameters.
    pub channels: Channels,
    /// Number of inputs.
    pub width: usize,
    pub outputs: Channels,
    /// Shots at each end, an even number.
    pub repeats: usize,
    pub random: ChaCha8Rng,
}

impl CentralDifferences<'_> {
    /// Drives of the unseen shots, the group's moved inside their ranges by the largest step, and the
    /// readings of these shots.
    pub fn points(&mut self, unseen: &Shots, points: usize, group: &Group) -> Points {
        let mut drives = DMatrix::zeros(self.channels.len(), points);
        let mut readings = DMatrix::zeros(self.outputs.len(), points);
        let mut is_moved = vec![false; points];
        for (point, mut drive) in drives.column_iter_mut().enumerate() {
            let shot = self.random.random_range(0..unseen.len());
            readings.set_column(point, &unseen.outputs.column(shot));
            let (inputs, parameters) = (unseen.inputs.column(shot), unseen.parameters.column(shot));
            drive.rows_mut(0, self.width).copy_from(&inputs);
            drive.rows_mut(self.width, parameters.len()).copy_from(&parameters);
            for (place, channel) in self.channels.iter().enumerate() {
                if (group.first..group.first + group.count).contains(&place) {
                    let margin = LARGEST_STEP * channel.span();
                    let inside =
                        drive[place].clamp(channel.minimum + margin, channel.maximum - margin);
                    is_moved[point] |= inside != drive[place];
                    drive[place] = inside;
                }
            }
        }
        Points { drives, readings, is_moved }
    }

    /// Independent normals, `[rows × columns]`.
    fn normals(&mut self, rows: usize, columns: usize) -> DMatrix<f32> {
        DMatrix::from_fn(rows, columns, |_, _| normal(&mut self.random))
    }

    /// `count` directions that move the group.
    pub fn directions(&mut self, group: &Group, count: usize) -> Directions {
        let places = group.first..group.first + group.count;
        let directions = Directions { random: self.random.clone(), places };
        // They are drawn when they are needed; later random numbers follow after them.
        (0..group.count * count).for_each(|_| {
            self.random.random::<bool>();
        });
        directions
    }

    /// Points that are computed at a time.
    pub fn points_at_a_time(&self) -> usize {
        (VALUES_AT_A_TIME / self.channels.len().max(1)).max(1)
    }

    /// Random cotangents c of readings in binary units, and the twin's gradients of c·y. Each c is scaled so
    /// that its gradient has length one in units of the ranges. A twin that uses readings gets those of the points: what
    /// was moved is played.
    ///
    /// # Errors
    /// Those of the device.
    pub fn gradients(
        &mut self,
        twin: &dyn DigitalTwin,
        points: &Points,
        backend: &Device,
    ) -> Result<TwinGradients, DeviceError> {
        let Points { drives: points, readings, is_moved } = points;
        let mut readings = readings.clone();
        let mut played = DMatrix::zeros(self.outputs.len(), 1);
        for (point, _) in is_moved.iter().enumerate().filter(|(_, moved)| **moved) {
            if twin.uses_readings() {
                let (x, theta) = self.split(&points.columns(point, 1).into_owned());
                self.device.measure_each(&x, &theta, &mut played)?;
                readings.set_column(point, &played.column(0));
            }
        }
        let mut cotangents = self.normals(twin.interface().outputs.len(), points.ncols());
        let row = |matrix: &DMatrix<f32>| to_tensor(matrix, backend);
        let mut gradients = DMatrix::zeros(points.nrows(), points.ncols());
        let together = self.points_at_a_time();
        for first in (0..points.ncols()).step_by(together) {
            let count = together.min(points.ncols() - first);
            let (x, theta) = self.split(&points.columns(first, count).into_owned());
            let mut dy = cotangents.columns(first, count).into_owned();
            for mut dy in dy.column_iter_mut() {
                dy.iter_mut().zip(self.outputs.binary_units()).for_each(|(dy, unit)| *dy /= unit);
            }
            let y = readings.columns(first, count).into_owned();
            let (dx, dtheta) = twin.vjp(row(&x), row(&theta), row(&y), row(&dy));
            let mut gradients = gradients.columns_mut(first, count);
            gradients.rows_mut(0, self.width).copy_from(&to_matrix(dx));
            gradients.rows_mut(self.width, theta.nrows()).copy_from(&to_matrix(dtheta));
        }
        for (mut gradient, mut cotangent) in
            gradients.column_iter_mut().zip(cotangents.column_iter_mut())
        {
            let by_range = gradient.iter().zip(self.channels.iter());
            let length = by_range.map(|(slope, channel)| (slope * channel.span()).powi(2));
            let length = length.sum::<f32>().sqrt();
            if length > 0.0 {
                gradient /= length;
                cotangent /= length;
            }
        }
        Ok(TwinGradients { cotangents, gradients })
    }

    /// Splits drives into inputs and parameters.
    pub fn split(&self, drives: &DMatrix<f32>) -> (DMatrix<f32>, DMatrix<f32>) {
        let parameters = drives.nrows() - self.width;
        (drives.rows(0, self.width).into_owned(), drives.rows(self.width, parameters).into_owned())
    }

    /// Derivatives of c·y along each direction, from each half of the shots.
    pub fn derivatives(
        &mut self,
        point: &DVector<f32>,
        directions: &DMatrix<f32>,
        cotangent: &DVector<f32>,
        group: &Group,
        step: f32,
    ) -> Result<Vec<[f64; 2]>, DeviceError> {
        // The two ends of a direction are neighbours.
        let ends = DMatrix::from_fn(point.len(), 2 * directions.ncols(), |row, end| {
            let sign = if end % 2 == 0 { step } else { -step };
            point[row] + sign * directions[(row, end / 2)]
        });
        let readings = self.weigh(&ends, cotangent, group)?;
        let difference = |plus: f64, minus: f64| (plus - minus) / (2.0 * f64::from(step));
        let pairs = readings.chunks_exact(2);
        Ok(pairs
            .map(|pair| {
                let ([a, b], [c, d]) = (pair[0], pair[1]);
                [difference(a, c), difference(b, d)]
            })
            .collect())
    }

    /// c·y at each end, from each half of its shots.
    fn weigh(
        &mut self,
        ends: &DMatrix<f32>,
        cotangent: &DVector<f32>,
        group: &Group,
    ) -> Result<Vec<[f64; 2]>, DeviceError> {
        let (inputs, parameters) = self.split(ends);
        let drives = DMatrix::from_fn(self.width, ends.ncols() * self.repeats, |row, shot| {
            inputs[(row, shot / self.repeats)]
        });
        let mut outputs = DMatrix::zeros(cotangent.len(), drives.ncols());
        if group.is_input {
            // Ends with the same parameters are one batch.
            let setting = parameters.column(0).into_owned();
            self.device.measure(&drives, &setting, &mut outputs)?;
        } else {
            self.device.measure_settings(&drives, &parameters, &mut outputs)?;
        }
        let outputs = self.outputs.in_binary_units(&outputs);
        let half = self.repeats / 2;
        let mean = |from: usize| {
            let shots = outputs.columns(from, half);
            let of_shot = |y: DVectorView<'_, f32>| -> f64 {
                y.iter().zip(cotangent).map(|(y, c)| f64::from(y * c)).sum()
            };
            shots.column_iter().map(of_shot).sum::<f64>() / half as f64
        };
        let firsts = (0..ends.ncols()).map(|end| end * self.repeats);
        Ok(firsts.map(|first| [mean(first), mean(first + half)]).collect())
    }
}

fn normal(random: &mut impl Rng) -> f32 {
    StandardNormal.sample(random)
}
