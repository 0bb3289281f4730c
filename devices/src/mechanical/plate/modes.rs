//! The plate's modes: as designed, and over one step.

use std::f64::consts::{PI, TAU};

use super::config::{Detection, PlateConfig};

/// Drive and pickup points, as shares of length and width, away from the node lines of low modes.
const DRIVE_POINT: (f64, f64) = (0.37, 0.29);
const PICKUP_POINT: (f64, f64) = (0.71, 0.62);
/// Relative step of the central differences that give the propagator's derivatives.
const DIFFERENCE: f64 = 1e-5;

/// A mode as designed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// Ω_m, ω_m in rad/s, and ζ_m.
    pub ratio: f64,
    pub frequency: f64,
    damping: f64,
    /// φ_m over Ω_m², the static deflection, and ψ_m.
    drive: f64,
    pickup: f64,
}

/// How a copy deviates from the design, as factors: of each mode's ω, ζ and φ ψ, and of γ.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    pub frequency: Vec<f32>,
    pub damping: Vec<f32>,
    pub shape: Vec<f32>,
    pub tension: f32,
}

/// One mode over one step: (q, v) ← P (q, v) + g f, with v = q̇ in units of the step's inverse.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Propagator {
    /// P, row by row, and g.
    pub matrix: [f32; 4],
    pub force: [f32; 2],
    /// Their derivatives by the factors of ω and of ζ.
    pub by_frequency: ([f32; 4], [f32; 2]),
    pub by_damping: ([f32; 4], [f32; 2]),
    /// Ω_m, and ψ_m with the copy's shape factor and without.
    pub ratio: f32,
    pub pickup: f32,
    pub nominal_pickup: f32,
}

/// The lowest modes of the plate.
pub(super) fn design(config: &PlateConfig) -> Vec<Mode> {
    let a = config.aspect;
    let ratio =
        |i: usize, j: usize| ((i as f64 / a).powi(2) + (j * j) as f64) / (1.0 / (a * a) + 1.0);
    // Mode (i, j) lies above (i, 1) and (1, j), so the lowest M have both numbers within M.
    let mut numbers: Vec<(usize, usize)> = (1..=config.modes)
        .flat_map(|i| (1..=config.modes.div_ceil(i)).map(move |j| (i, j)))
        .collect();
    numbers.sort_by(|&(i, j), &(k, l)| ratio(i, j).total_cmp(&ratio(k, l)));
    let shape = |(i, j): (usize, usize), (x, y): (f64, f64)| {
        (i as f64 * PI * x).sin() * (j as f64 * PI * y).sin()
    };
    numbers
        .into_iter()
        .take(config.modes)
        .map(|number| {
            let ratio = ratio(number.0, number.1);
            Mode {
                ratio,
                frequency: TAU * config.fundamental_hz * ratio,
                damping: config.damping,
                drive: shape(number, DRIVE_POINT) / ratio.powi(2),
                pickup: shape(number, PICKUP_POINT),
            }
        })
        .collect()
}

/// P and g of q̈ + 2 ζ ω q̇ + ω² q = ω² φ f over a step h, with velocities in units of 1/h.
fn propagate(omega: f64, zeta: f64, drive: f64, h: f64) -> ([f64; 4], [f64; 2]) {
    let (decay, ring) = (zeta * omega, omega * (1.0 - zeta * zeta).sqrt());
    let (sine, cosine) = (ring * h).sin_cos();
    let fade = (-decay * h).exp();
    let matrix = [
        fade * (cosine + decay / ring * sine),
        fade * sine / (ring * h),
        -fade * omega * omega / ring * h * sine,
        fade * (cosine - decay / ring * sine),
    ];
    // The motion is relative to the static deflection φ f.
    (matrix, [drive * (1.0 - matrix[0]), -drive * matrix[2]])
}

/// The propagators of the modes `design` of a copy with the factors `factors`, over a step of
/// `step_seconds`.
pub(super) fn propagators(
    design: &[Mode],
    factors: &Factors,
    detection: Detection,
    step_seconds: f64,
) -> Vec<Propagator> {
    let each = factors.frequency.iter().zip(&factors.damping).zip(&factors.shape);
    design
        .iter()
        .zip(each)
        .map(|(mode, ((&frequency, &damping), &shape))| {
            let at = |frequency: f64, damping: f64| {
                let omega = mode.frequency * frequency;
                let zeta = (mode.damping * damping).min(0.99);
                propagate(omega, zeta, mode.drive, step_seconds)
            };
            let (frequency, damping) = (f64::from(frequency), f64::from(damping));
            let slope = |(left, left_force): ([f64; 4], [f64; 2]),
                         (right, right_force): ([f64; 4], [f64; 2])| {
                let by = |low: f64, high: f64| ((high - low) / (2.0 * DIFFERENCE)) as f32;
                (
                    std::array::from_fn(|i| by(left[i], right[i])),
                    std::array::from_fn(|i| by(left_force[i], right_force[i])),
                )
            };
            let (matrix, force) = at(frequency, damping);
            let pickup = match detection {
                Detection::Velocity => mode.pickup as f32,
                // A film measures the amplitude of its mode, independent of the point.
                Detection::ModalEnvelopes => 1.0,
            };
            Propagator {
                matrix: matrix.map(|value| value as f32),
                force: force.map(|value| value as f32),
                by_frequency: slope(
                    at(frequency - DIFFERENCE, damping),
                    at(frequency + DIFFERENCE, damping),
                ),
                by_damping: slope(
                    at(frequency, damping - DIFFERENCE),
                    at(frequency, damping + DIFFERENCE),
                ),
                ratio: mode.ratio as f32,
                pickup: pickup * shape,
                nominal_pickup: pickup,
            }
        })
        .collect()
}
