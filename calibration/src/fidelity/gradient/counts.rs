//! The gradient of a spiking device: of mean counts.
//!
//! A spike is there or not, so the count of one shot has no derivative. Its mean over the noise and over drives has one, and
//! a training step follows such means. A point is a setting of the parameters with a batch of drives, all of which the same
//! cotangent c weighs; y stands for the mean of their counts. The two ends of a difference play the batch twice: the halves
//! A and B have the same drives, and noise of their own.

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use twinprop_devices::{Channels, DeviceError, PhysicalLayer, random};

use super::agreement::{Gradient, GroupGradient, add, products};
use super::comparison::GradientComparison;
use super::group::groups;
use crate::bridge::{to_matrix, to_tensor};
use crate::twin::predict;

/// Drives of a batch for each repeated shot of a device that does not spike.
const DRIVES_A_REPEAT: usize = 4;
/// The steps that are tried, as shares of the range.
const STEPS: [f32; 5] = [0.03, 0.015, 0.007, 0.0035, 0.002];

/// A setting, a batch of drives, and the twin's gradient of the mean count that `cotangent` weighs.
struct Point {
    /// `[n_inputs × drives]`.
    inputs: DMatrix<f32>,
    /// `[n_parameters]`.
    setting: DVector<f32>,
    /// Of counts in binary units.
    cotangent: DVector<f32>,
    /// With respect to the parameters; of length one in units of their ranges.
    gradient: DVector<f32>,
}

/// Compares the gradients with respect to all parameters, and to each bank of them; `progress` gets the share that is
/// done.
pub(in crate::fidelity) fn compare(
    case: &GradientComparison<'_>,
    device: &mut dyn PhysicalLayer,
    mut progress: impl FnMut(f64),
) -> Result<(Gradient, Vec<GroupGradient>), DeviceError> {
    let config = case.config;
    let interface = device.interface().clone();
    let groups = groups(&Channels::none(), &interface.parameters);
    let mut counts = Counts {
        counted: interface.outputs.counted(),
        outputs: interface.outputs,
        parameters: interface.parameters,
        random: random::stream(case.seed, "gradient fidelity"),
    };
    let points: Vec<Point> =
        (0..config.points).map(|_| counts.point(case, device)).collect::<Result<_, _>>()?;
    let mut total = vec![[0.0; 4]; config.points];
    let mut by_group = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let places = group.first..group.first + group.count;
        let step = counts.step(case, &points, places.clone());
        let mut by_point = vec![[0.0; 4]; config.points];
        for (place, (point, sums)) in points.iter().zip(&mut by_point).enumerate() {
            for _ in 0..config.directions {
                let direction = counts.direction(places.clone());
                let halves = counts.derivatives(device, point, &direction, step)?;
                let predicted = f64::from(point.gradient.dot(&direction));
                add(sums, &products(halves, predicted));
            }
            let done = number as f64 + (place + 1) as f64 / points.len() as f64;
            progress(done / groups.len() as f64);
        }
        total.iter_mut().zip(&by_point).for_each(|(total, sums)| add(total, sums));
        let (group, gradient) = (group.name.clone(), Gradient::of(&by_point));
        by_group.push(GroupGradient { group, gradient, step });
    }
    Ok((Gradient::of(&total), by_group))
}

/// Central differences of mean counts.
struct Counts {
    parameters: Channels,
    outputs: Channels,
    /// The outputs, with the counts of rasters.
    counted: Channels,
    random: ChaCha8Rng,
}

impl Counts {
    /// A setting and drives of unseen shots, and the twin's gradient there.
    fn point(
        &mut self,
        case: &GradientComparison<'_>,
        device: &mut dyn PhysicalLayer,
    ) -> Result<Point, DeviceError> {
        let &GradientComparison { twin, unseen, config, backend, .. } = case;
        let random = &mut self.random;
        let setting = unseen.parameters.column(random.random_range(0..unseen.len())).into_owned();
        let drives = DRIVES_A_REPEAT * config.repeats.max(1);
        let shots: Vec<usize> = (0..drives).map(|_| random.random_range(0..unseen.len())).collect();
        let inputs = unseen.inputs.select_columns(&shots);
        let normals = (0..self.counted.len()).map(|_| StandardNormal.sample(random));
        let mut cotangent: DVector<f32> = DVector::from_iterator(self.counted.len(), normals);
        let mut readings = DMatrix::zeros(self.outputs.len(), drives);
        device.measure(&inputs, &setting, &mut readings)?;
        let units = self.counted.binary_units();
        let per_shot = cotangent.iter().zip(units).map(|(c, unit)| c / unit / drives as f32);
        let of_shot = DVector::from_iterator(cotangent.len(), per_shot);
        let of_counts = DMatrix::from_fn(of_shot.len(), drives, |count, _| of_shot[count]);
        let tensor = |matrix: &DMatrix<f32>| to_tensor(matrix, backend);
        let theta = DMatrix::from_column_slice(setting.len(), 1, setting.as_slice());
        let (_, dtheta) = twin.vjp(
            tensor(&inputs),
            tensor(&theta),
            tensor(&readings),
            tensor(&self.outputs.spread(&of_counts)),
        );
        let mut gradient = to_matrix(dtheta).column(0).into_owned();
        let by_range = gradient.iter().zip(self.parameters.iter());
        let square: f32 = by_range.map(|(slope, channel)| (slope * channel.span()).powi(2)).sum();
        if square > 0.0 {
            gradient /= square.sqrt();
            cotangent /= square.sqrt();
        }
        Ok(Point { inputs, setting, cotangent, gradient })
    }

    /// ± its range on each of the parameters at `places`.
    fn direction(&mut self, places: std::ops::Range<usize>) -> DVector<f32> {
        let mut direction = DVector::zeros(self.parameters.len());
        for (place, channel) in self.parameters.iter().enumerate() {
            if places.contains(&place) {
                let span = channel.span();
                direction[place] = if self.random.random::<bool>() { span } else { -span };
            }
        }
        direction
    }

    /// c·y of readings `[n_outputs × drives]`, the mean over the drives.
    fn weigh(&self, readings: &DMatrix<f32>, cotangent: &DVector<f32>) -> f64 {
        let counts = self.outputs.counted_in_binary_units(readings);
        let sum: f64 = counts.column_iter().map(|counts| f64::from(counts.dot(cotangent))).sum();
        sum / readings.ncols() as f64
    }

    /// The setting moved by `step` along `direction`, within the ranges.
    fn moved(&self, point: &Point, direction: &DVector<f32>, step: f32) -> DVector<f32> {
        let mut setting = &point.setting + step * direction;
        for (value, channel) in setting.iter_mut().zip(self.parameters.iter()) {
            *value = value.clamp(channel.minimum, channel.maximum);
        }
        setting
    }

    /// Derivatives of c·y along `direction`, one from each half.
    fn derivatives(
        &self,
        device: &mut dyn PhysicalLayer,
        point: &Point,
        direction: &DVector<f32>,
        step: f32,
    ) -> Result<[f64; 2], DeviceError> {
        let mut readings = DMatrix::zeros(self.outputs.len(), point.inputs.ncols());
        let mut end = |sign: f32| {
            let setting = self.moved(point, direction, sign * step);
            device.measure(&point.inputs, &setting, &mut readings)?;
            let one = self.weigh(&readings, &point.cotangent);
            device.measure(&point.inputs, &setting, &mut readings)?;
            Ok::<_, DeviceError>([one, self.weigh(&readings, &point.cotangent)])
        };
        let ([a, b], [c, d]) = (end(1.0)?, end(-1.0)?);
        let width = 2.0 * f64::from(step);
        Ok([(a - c) / width, (b - d) / width])
    }

    /// The step at which the twin's own differences, of which each is jumps or none, agree best with its derivatives over
    /// all points.
    fn step(
        &mut self,
        case: &GradientComparison<'_>,
        points: &[Point],
        places: std::ops::Range<usize>,
    ) -> f32 {
        let directions: Vec<DVector<f32>> =
            points.iter().map(|_| self.direction(places.clone())).collect();
        let agreement = |step: f32| {
            let (mut product, mut square) = (0.0, 0.0);
            for (point, direction) in points.iter().zip(&directions) {
                let end = |sign: f32| {
                    let setting = self.moved(point, direction, sign * step);
                    let theta = DMatrix::from_column_slice(setting.len(), 1, setting.as_slice());
                    let readings = predict(case.twin, &point.inputs, &theta, case.backend);
                    self.weigh(&readings, &point.cotangent)
                };
                let found = (end(1.0) - end(-1.0)) / (2.0 * f64::from(step));
                product += found * f64::from(point.gradient.dot(direction));
                square += found * found;
            }
            if square > 0.0 { product / square.sqrt() } else { f64::MIN }
        };
        let tried = STEPS.map(|step| (agreement(step), step));
        let best = tried.iter().max_by(|(one, _), (other, _)| one.total_cmp(other));
        best.map_or(STEPS[0], |(_, step)| *step)
    }
}
