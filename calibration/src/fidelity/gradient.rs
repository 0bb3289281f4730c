//! A twin's gradient against the device's.
//!
//! About a point p of the unseen shots, a cotangent c of random normals weighs the outputs, in binary units. Along a
//! direction v, which moves every channel of a group by ± its range at random, the derivative of c·y is
//! once vjp(c)·v, by the twin, and once D = (c·y(p + hv) − c·y(p − hv)) / 2h, measured. Since
//! E[(g·v)(g′·v)] = g·g′, sums of products over points and directions are those of the gradients
//! (simultaneous perturbations; Spall 1992), in units of each channel's range. The cotangent's length is
//! such that the twin's gradient has length one: every point counts alike, however sensitive it is.
//!
//! Each end is measured twice by halves of its shots, so that D_A D_B has the square of the device's
//! derivative without the noise, which would make every twin look worse than it is. The step h is as
//! large as the curvature allows: see [`choose_steps`].

use std::ops::Range;

use burn::tensor::Device;
use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use twinprop_devices::{Channels, DeviceError, PhysicalLayer, random};

use super::estimate::Estimate;
use super::{FidelityConfig, predict};
use crate::bridge::{to_matrix, to_tensor};
use crate::shots::Shots;
use crate::twin::DigitalTwin;

/// Agreement of two gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gradient {
    /// Cosine of the angle between the twin's gradient and the device's.
    pub cosine: Estimate,
    /// Length of the twin's gradient over the device's.
    pub length: Estimate,
}

/// Agreement of the gradients by one bank of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupGradient {
    /// The bank, such as `input data` or `parameter bias`.
    pub group: String,
    /// The agreement.
    pub gradient: Gradient,
    /// Half the distance between the two ends of a central difference, as a share of the range: the
    /// median over the points.
    pub step: f32,
}

/// Steps, as shares of the range, from the largest to the smallest,
const LARGEST_STEP: f32 = 0.1;
const SMALLEST_STEP: f32 = 0.002;
/// each this share of the one before.
const STEP_RATIO: f32 = 0.7;
/// Curvature may bend the cosine by this share of its standard error, or by so much anyway.
const BEND: f64 = 0.2;
const NO_BEND: f64 = 5e-4;

/// Σ measured · predicted, Σ predicted², Σ measured² of a point, and the variance that noise gives the
/// last.
type Products = [f64; 4];
/// The measured square must be above its noise by so many deviations, or nothing is known.
const TOLD_FROM_NOISE: f64 = 4.0;

impl Gradient {
    fn of(points: &[Products]) -> Self {
        let is_told = |device: f64, noise: f64| device > TOLD_FROM_NOISE * noise.sqrt();
        let cosine = |[both, twin, device, noise]: Products| {
            (twin > 0.0 && is_told(device, noise)).then(|| both / (twin * device).sqrt())
        };
        let length = |[_, twin, device, noise]: Products| {
            is_told(device, noise).then(|| (twin / device).sqrt())
        };
        Self {
            cosine: Estimate::of_cosine(points, cosine),
            length: Estimate::jackknife(points, (0.0, f64::from(f32::MAX)), length),
        }
    }
}

/// Channels that are moved together.
struct Group {
    name: String,
    /// Their places among inputs and parameters.
    first: usize,
    count: usize,
    is_input: bool,
}

fn groups(inputs: &Channels, parameters: &Channels) -> Vec<Group> {
    let sides = [("input", inputs, true), ("parameter", parameters, false)];
    let banks = sides.into_iter().flat_map(|(side, channels, is_input)| {
        channels.banks().iter().map(move |bank| (side, bank, is_input))
    });
    let mut first = 0;
    let groups = banks.map(|(side, bank, is_input)| {
        let group =
            Group { name: format!("{side} {}", bank.name), first, count: bank.count, is_input };
        first += bank.count;
        group
    });
    groups.filter(|group| group.count > 0).collect()
}

/// What is compared with a device.
pub(super) struct Comparison<'a> {
    pub twin: &'a dyn DigitalTwin,
    /// In the device's units.
    pub unseen: &'a Shots,
    /// Variance of a shot's noise in each output, in binary units.
    pub noise: &'a DVector<f32>,
    pub config: &'a FidelityConfig,
    pub seed: u64,
    pub backend: &'a Device,
}

/// Compares the gradients of all channels, and of each group; `progress` hears the share that is done.
pub(super) fn compare(
    case: &Comparison<'_>,
    device: &mut dyn PhysicalLayer,
    mut progress: impl FnMut(f64),
) -> Result<(Gradient, Vec<GroupGradient>), DeviceError> {
    let &Comparison { twin, unseen, config, seed, backend, .. } = case;
    let interface = device.interface().clone();
    let groups = groups(&interface.inputs, &interface.parameters);
    let mut bench = Bench {
        channels: interface.inputs.clone().and(interface.parameters.clone()),
        width: interface.inputs.len(),
        outputs: interface.outputs.clone(),
        device,
        repeats: config.repeats.next_multiple_of(2),
        random: random::stream(seed, "gradient fidelity"),
    };
    let mut total = vec![[0.0; 4]; config.points];
    let mut by_group = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        progress(number as f64 / groups.len() as f64);
        let Points { drives, readings } = bench.points(unseen, config.points, group);
        let (cotangents, gradients) = bench.gradients(twin, &drives, &readings, backend);
        let about = About { points: drives, cotangents, gradients };
        let directions: Vec<Directions> =
            (0..config.points).map(|_| bench.directions(group, config.directions)).collect();
        let mut steps = choose_steps(case, &bench, &about, &directions);
        let mut products = vec![[0.0; 4]; config.points];
        for (point, sums) in products.iter_mut().enumerate() {
            let directions = directions[point].first(&bench.channels, config.directions);
            let measured = bench.derivatives(
                &about.points.column(point).into_owned(),
                &directions,
                &about.cotangents.column(point).into_owned(),
                group,
                steps[point],
            )?;
            for (direction, [one, other]) in directions.column_iter().zip(measured) {
                let predicted = f64::from(about.gradients.column(point).dot(&direction));
                // The halves differ with a variance of 2σ², whose square is a third of the fourth power.
                let noise = (one - other).powi(4) / 12.0;
                let products =
                    [0.5 * (one + other) * predicted, predicted * predicted, one * other, noise];
                sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
            }
        }
        for (total, sums) in total.iter_mut().zip(&products) {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
        steps.sort_by(f32::total_cmp);
        by_group.push(GroupGradient {
            group: group.name.clone(),
            gradient: Gradient::of(&products),
            step: steps[steps.len() / 2],
        });
    }
    Ok((Gradient::of(&total), by_group))
}

/// Drives of shots, and what the device read, a column a point.
struct Points {
    /// `[channels × points]`.
    drives: DMatrix<f32>,
    /// `[outputs × points]`, in the device's units.
    readings: DMatrix<f32>,
}

/// Where gradients are compared, a column a point.
struct About {
    /// Drives, `[channels × points]`.
    points: DMatrix<f32>,
    /// Of readings in binary units, `[outputs × points]`.
    cotangents: DMatrix<f32>,
    /// The twin's gradients, `[channels × points]`.
    gradients: DMatrix<f32>,
}

/// Values that are worked on at a time, at the least those of one point: a device may have millions of
/// parameters.
const VALUES_AT_A_TIME: usize = 1 << 20;

/// Directions about a point, drawn when they are wanted: all together they would fill the memory.
struct Directions {
    /// From here.
    random: ChaCha8Rng,
    places: Range<usize>,
}

impl Directions {
    /// The first `count` of them, `[channels × count]`: ± its range on each channel of the group.
    fn first(&self, channels: &Channels, count: usize) -> DMatrix<f32> {
        let mut random = self.random.clone();
        let mut directions = DMatrix::zeros(channels.len(), count);
        for mut direction in directions.column_iter_mut() {
            let places =
                channels.iter().enumerate().skip(self.places.start).take(self.places.len());
            for (place, channel) in places {
                let span = channel.span();
                direction[place] = if random.random::<bool>() { span } else { -span };
            }
        }
        directions
    }
}

/// The step of the central differences about each point: the largest at which curvature bends the
/// cosine little beside what noise does to it.
///
/// With the derivative S and an error E(h) of the difference, the measured square is E² too large, which
/// bends the cosine by E² / 2S²; noise of variance σ² in a shot's c·y leaves it a standard error of
/// σ / (h S √(2 R n)) after n differences of R shots an end. How a device curves along a point's first
/// direction is taken from its twin, which has no noise.
fn choose_steps(
    case: &Comparison<'_>,
    bench: &Bench<'_>,
    about: &About,
    directions: &[Directions],
) -> Vec<f32> {
    let &Comparison { twin, noise, config, backend, .. } = case;
    let along = |point: usize| directions[point].first(&bench.channels, 1);
    let slopes: Vec<f64> = (0..config.points)
        .map(|point| f64::from(about.gradients.column(point).dot(&along(point).column(0))))
        .collect();
    let count = config.points as f64;
    let square = slopes.iter().map(|slope| slope * slope).sum::<f64>() / count;
    // Of a shot's c·y, on average over the points.
    let variance = about.cotangents.column_iter().map(|c| c.component_mul(&c).dot(noise));
    let variance = f64::from(variance.sum::<f32>()) / count;
    let shots = 2.0 * bench.repeats as f64 * count * config.directions as f64;
    let scatter = (variance / (square * shots)).sqrt();

    let mut steps = vec![LARGEST_STEP; config.points];
    let mut bent: Vec<usize> = (0..config.points).collect();
    while !bent.is_empty() {
        let mut errors = Vec::with_capacity(bent.len());
        for points in bent.chunks(bench.points_at_a_time()) {
            // A point's two ends, one beside the other.
            let mut ends = DMatrix::zeros(about.points.nrows(), 2 * points.len());
            for (number, &point) in points.iter().enumerate() {
                let (middle, way) = (about.points.column(point), steps[point] * along(point));
                ends.set_column(2 * number, &(middle + &way));
                ends.set_column(2 * number + 1, &(middle - way));
            }
            let (x, theta) = bench.split(&ends);
            let y = bench.outputs.in_binary_units(&predict(twin, &x, &theta, backend));
            errors.extend(points.iter().enumerate().map(|(number, &point)| {
                let weighed =
                    |end: usize| f64::from(y.column(end).dot(&about.cotangents.column(point)));
                let difference = weighed(2 * number) - weighed(2 * number + 1);
                difference / (2.0 * f64::from(steps[point])) - slopes[point]
            }));
        }
        let mut errors = errors.into_iter();
        bent.retain(|&point| {
            let error = errors.next().unwrap_or(f64::NAN);
            let h = f64::from(steps[point]);
            let is_bent = error * error / (2.0 * square) > (BEND * scatter / h).max(NO_BEND);
            if is_bent {
                steps[point] *= STEP_RATIO;
            }
            is_bent && steps[point] > SMALLEST_STEP
        });
    }
    steps
}

/// A device between the ends of central differences.
struct Bench<'a> {
    device: &'a mut dyn PhysicalLayer,
    /// Inputs, then parameters.
    channels: Channels,
    /// Inputs.
    width: usize,
    outputs: Channels,
    /// Shots at each end, an even number.
    repeats: usize,
    random: ChaCha8Rng,
}

impl Bench<'_> {
    /// Drives of the unseen shots, the group's moved inside their ranges by the largest step, and the
    /// readings of these shots.
    fn points(&mut self, unseen: &Shots, points: usize, group: &Group) -> Points {
        let mut drives = DMatrix::zeros(self.channels.len(), points);
        let mut readings = DMatrix::zeros(self.outputs.len(), points);
        for (point, mut drive) in drives.column_iter_mut().enumerate() {
            let shot = self.random.random_range(0..unseen.len());
            readings.set_column(point, &unseen.outputs.column(shot));
            let (inputs, parameters) = (unseen.inputs.column(shot), unseen.parameters.column(shot));
            drive.rows_mut(0, self.width).copy_from(&inputs);
            drive.rows_mut(self.width, parameters.len()).copy_from(&parameters);
            for (place, channel) in self.channels.iter().enumerate() {
                if (group.first..group.first + group.count).contains(&place) {
                    let margin = LARGEST_STEP * channel.span();
                    drive[place] =
                        drive[place].clamp(channel.minimum + margin, channel.maximum - margin);
                }
            }
        }
        Points { drives, readings }
    }

    /// Independent normals, `[rows × columns]`.
    fn normals(&mut self, rows: usize, columns: usize) -> DMatrix<f32> {
        DMatrix::from_fn(rows, columns, |_, _| normal(&mut self.random))
    }

    /// `count` directions that move the group.
    fn directions(&mut self, group: &Group, count: usize) -> Directions {
        let places = group.first..group.first + group.count;
        let directions = Directions { random: self.random.clone(), places };
        // They are drawn when they are wanted; what comes next begins behind them.
        (0..group.count * count).for_each(|_| {
            self.random.random::<bool>();
        });
        directions
    }

    /// Points that are worked on at a time.
    fn points_at_a_time(&self) -> usize {
        (VALUES_AT_A_TIME / self.channels.len().max(1)).max(1)
    }

    /// Cotangents c of readings in binary units, `[outputs × points]`, random but for the length at which the twin's gradient of c·y
    /// has length one in units of the ranges, and these gradients, `[channels × points]`.
    fn gradients(
        &mut self,
        twin: &dyn DigitalTwin,
        points: &DMatrix<f32>,
        readings: &DMatrix<f32>,
        backend: &Device,
    ) -> (DMatrix<f32>, DMatrix<f32>) {
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
        (cotangents, gradients)
    }

    /// Drives as inputs and parameters.
    fn split(&self, drives: &DMatrix<f32>) -> (DMatrix<f32>, DMatrix<f32>) {
        let parameters = drives.nrows() - self.width;
        (drives.rows(0, self.width).into_owned(), drives.rows(self.width, parameters).into_owned())
    }

    /// Derivatives of c·y along each direction, by each half of the shots.
    fn derivatives(
        &mut self,
        point: &DVector<f32>,
        directions: &DMatrix<f32>,
        cotangent: &DVector<f32>,
        group: &Group,
        step: f32,
    ) -> Result<Vec<[f64; 2]>, DeviceError> {
        // A direction's two ends, one beside the other.
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

    /// c·y at each end, by each half of its shots.
    fn weigh(
        &mut self,
        ends: &DMatrix<f32>,
        cotangent: &DVector<f32>,
        group: &Group,
    ) -> Result<Vec<[f64; 2]>, DeviceError> {
        let (inputs, parameters) = self.split(ends);
        // Ends that differ by their inputs alone are one batch.
        let together = if group.is_input { ends.ncols() } else { 1 };
        let mut weighed = Vec::with_capacity(ends.ncols());
        for first in (0..ends.ncols()).step_by(together) {
            let drives = DMatrix::from_fn(self.width, together * self.repeats, |row, shot| {
                inputs[(row, first + shot / self.repeats)]
            });
            let setting = parameters.column(first).into_owned();
            let mut outputs = DMatrix::zeros(cotangent.len(), drives.ncols());
            self.device.measure(&drives, &setting, &mut outputs)?;
            let outputs = self.outputs.in_binary_units(&outputs);
            for end in 0..together {
                let half = self.repeats / 2;
                let mean = |from: usize| {
                    let shots = outputs.columns(end * self.repeats + from, half);
                    let sum: f64 = shots
                        .column_iter()
                        .map(|y| {
                            y.iter().zip(cotangent).map(|(y, c)| f64::from(y * c)).sum::<f64>()
                        })
                        .sum();
                    sum / half as f64
                };
                weighed.push([mean(0), mean(half)]);
            }
        }
        Ok(weighed)
    }
}

fn normal(random: &mut impl Rng) -> f32 {
    StandardNormal.sample(random)
}
