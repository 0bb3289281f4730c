//! The step of the central differences.

use nalgebra::{DMatrix, DVector};

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
    noise: &DVector<f32>,
    differences: &CentralDifferences<'_>,
    points: &Points,
    twin_gradients: &TwinGradients,
    directions: &[Directions],
) -> Vec<f32> {
    let &GradientComparison { twin, config, backend, .. } = case;
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

    let mut steps = vec![LARGEST_STEP; config.points];
    let mut curved: Vec<usize> = (0..config.points).collect();
    while !curved.is_empty() {
        let mut errors = Vec::with_capacity(curved.len());
        for chosen in curved.chunks(differences.points_at_a_time()) {
            // The two ends of a point are neighbours.
            let mut ends = DMatrix::zeros(points.drives.nrows(), 2 * chosen.len());
            for (number, &point) in chosen.iter().enumerate() {
                let (middle, displacement) =
                    (points.drives.column(point), steps[point] * along(point));
                ends.set_column(2 * number, &(middle + &displacement));
                ends.set_column(2 * number + 1, &(middle - displacement));
            }
            let (x, theta) = differences.split(&ends);
            let y = differences.outputs.in_binary_units(&predict(twin, &x, &theta, backend));
            errors.extend(chosen.iter().enumerate().map(|(number, &point)| {
                let weighed = |end: usize| {
                    f64::from(y.column(end).dot(&twin_gradients.cotangents.column(point)))
                };
                let difference = weighed(2 * number) - weighed(2 * number + 1);
                difference / (2.0 * f64::from(steps[point])) - slopes[point]
            }));
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
