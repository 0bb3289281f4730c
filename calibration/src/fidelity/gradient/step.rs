//! The step of the central differences.

use nalgebra::DMatrix;

use super::comparison::GradientComparison;
use super::differences::{CentralDifferences, LARGEST_STEP, Points, TwinGradients};
use super::group::Directions;
use crate::twin::predict;

/// The smallest step, as a share of the range.
const SMALLEST_STEP: f32 = 0.002;
/// Each step that is tried, as a share of the one before.
const STEP_RATIO: f32 = 0.7;
/// Curvature may change the cosine by this share of its standard error,
const CURVATURE_SHARE: f64 = 0.2;
/// or by this much.
const LEAST_CURVATURE: f64 = 5e-4;

/// The step of the central differences about each point: the largest at which curvature changes the
/// cosine less than noise does.
///
/// With the derivative S and an error E(h) of the difference, the measured square is too large by E², which
/// changes the cosine by E² / 2S²; noise of variance σ² in a shot's c·y gives it a standard error of
/// σ / (h S √(2 R n)) after n differences of R shots an end. The curvature along a point's first direction
/// is computed from the twin, which has no noise.
pub(super) fn choose_steps(
    case: &GradientComparison<'_>,
    differences: &CentralDifferences<'_>,
    points: &Points,
    twin_gradients: &TwinGradients,
    directions: &[Directions],
) -> Vec<f32> {
    let &GradientComparison { twin, noise, config, backend, .. } = case;
    let along = |point: usize| directions[point].first(&differences.channels, 1);
    let slopes: Vec<f64> = (0..config.points)
        .map(|point| f64::from(twin_gradients.gradients.column(point).dot(&along(point).column(0))))
        .collect();
    let count = config.points as f64;
    let square = slopes.iter().map(|slope| slope * slope).sum::<f64>() / count;
    // Variance of the noise of a shot's c·y, mean over the points.
    let variance = twin_gradients.cotangents.column_iter().map(|c| c.component_mul(&c).dot(noise));
    let variance = f64::from(variance.sum::<f32>()) / count;
    let shots = 2.0 * differences.repeats as f64 * count * config.directions as f64;
    let scatter = (variance / (square * shots)).sqrt();

    let value_at = |ends: &DMatrix<f32>| {
        let (x, theta) = differences.split(ends);
        let y = predict(twin, &x, &theta, backend);
        differences.counted.in_binary_units(&differences.outputs.count(&y))
    };
    let slope_at = |chosen: &[usize], steps: &[f32]| -> Vec<f64> {
        // The two ends of a point are neighbours.
        let mut ends = DMatrix::zeros(points.drives.nrows(), 2 * chosen.len());
        for (number, &point) in chosen.iter().enumerate() {
            let (middle, displacement) = (points.drives.column(point), steps[point] * along(point));
            ends.set_column(2 * number, &(middle + &displacement));
            ends.set_column(2 * number + 1, &(middle - displacement));
        }
        let y = value_at(&ends);
        let weighed = |end: usize, point: usize| {
            f64::from(y.column(end).dot(&twin_gradients.cotangents.column(point)))
        };
        let slopes = chosen.iter().enumerate().map(|(number, &point)| {
            let difference = weighed(2 * number, point) - weighed(2 * number + 1, point);
            difference / (2.0 * f64::from(steps[point]))
        });
        slopes.collect()
    };
    if differences.outputs.has_raster() {
        return vec![step_of_jumps(&slopes, differences, slope_at); config.points];
    }
    let mut steps = vec![LARGEST_STEP; config.points];
    let mut curved: Vec<usize> = (0..config.points).collect();
    while !curved.is_empty() {
        let mut errors = Vec::with_capacity(curved.len());
        for chosen in curved.chunks(differences.points_at_a_time()) {
            let found = slope_at(chosen, &steps);
            errors.extend(chosen.iter().zip(found).map(|(&point, found)| found - slopes[point]));
        }
        let mut errors = errors.into_iter();
        curved.retain(|&point| {
            let error = errors.next().unwrap_or(f64::NAN);
            let h = f64::from(steps[point]);
            let is_curved = error * error / (2.0 * square)
                > (CURVATURE_SHARE * scatter / h).max(LEAST_CURVATURE);
            if is_curved {
                steps[point] *= STEP_RATIO;
            }
            is_curved && steps[point] > SMALLEST_STEP
        });
    }
    steps
}

/// The step of a device whose readings jump, the same for all points: that at which the twin's own differences, most of them
/// jumps or none, agree best with its derivatives over all points.
fn step_of_jumps(
    slopes: &[f64],
    differences: &CentralDifferences<'_>,
    slope_at: impl Fn(&[usize], &[f32]) -> Vec<f64>,
) -> f32 {
    let all: Vec<usize> = (0..slopes.len()).collect();
    let steps = std::iter::successors(Some(LARGEST_STEP), |step| Some(STEP_RATIO * step));
    let agreement = |step: f32| {
        let steps = vec![step; slopes.len()];
        let found: Vec<f64> = all
            .chunks(differences.points_at_a_time())
            .flat_map(|chosen| slope_at(chosen, &steps))
            .collect();
        let square: f64 = found.iter().map(|found| found * found).sum();
        let product: f64 = found.iter().zip(slopes).map(|(found, slope)| found * slope).sum();
        if square > 0.0 { product / square.sqrt() } else { f64::MIN }
    };
    let tried = steps.take_while(|&step| step > SMALLEST_STEP).map(|step| (agreement(step), step));
    let best = tried.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map_or(LARGEST_STEP, |(_, step)| step)
}
