//! Coupled nonlinear oscillators, all to all.
//!
//! ```text
//! q̈_i = −sin q_i + Σ_j J_ij (sin q_j − sin q_i) + e_i        J = (C + Cᵀ) / 2
//!     = Σ_j A_ij sin q_j + e_i                               A_ij = J_ij,  A_ii = −1 − Σ_{j≠i} J_ij
//! ```
//!
//! A shot starts at rest at the angles q(0), its data, and reads the angles q(t). Trained are the
//! couplings C and the constant drives e.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | q | angle of an oscillator | rad |
//! | C | free coupling matrix; only its symmetric part acts, and not its diagonal | 1 |
//! | e | constant drive of an oscillator | 1 |
//! | t | evolution time, in units of the inverse natural frequency | 1 |
//!
//! The true device has the restoring force sin((1 + η) q), and a fixed random symmetric matrix is added to
//! its couplings.
//!
//! Source: the coupled-oscillator networks of Wright et al., Nature 601, 549 (2022), as in the
//! authors' public examples. Left out: damping.
//!
//! Time is discretised as [`nystrom`](super::nystrom) says, with a = A sin Q + e. The adjoint
//! differentiates that exactly; A is symmetric, so both multiply by A.

mod adjoint;
mod block;
mod config;
mod simulation;
mod square;

pub use config::OscillatorsConfig;

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};

use self::square::Square;
use crate::lanes::LANES;
use crate::pool::Pool;
use crate::{Channels, Interface, random};

/// The constants of the equation of one copy; couplings and drives are parameters.
#[derive(Clone, Copy, Debug)]
pub struct OscillatorConstants<'a> {
    /// Number of oscillators N.
    pub count: usize,
    /// Runge-Kutta steps.
    pub steps: usize,
    /// h, the time of a step, in units of the inverse natural frequency.
    pub step: f32,
    /// 1 + η.
    pub bend: f32,
    /// What the copy adds to J, `[N × N]`; symmetric, its diagonal zero.
    pub coupling_error: Option<&'a DMatrix<f32>>,
}

/// Shots one worker integrates at a time.
const SHOTS_A_TASK: usize = 16;
/// Full scale of the angles, in rad.
const LARGEST_READING: f32 = 100.0;

/// One copy of the oscillators: nominal, or as built.
#[derive(Clone)]
pub struct Oscillators {
    interface: Interface,
    count: usize,
    /// Rows of a matrix: N and one for e, rounded up to whole vectors, the rest zero, so that the products
    /// pack nothing.
    rows: usize,
    steps: usize,
    step: f32,
    /// 1 + η.
    bend: f32,
    /// What the copy adds to J; symmetric, its diagonal zero.
    coupling_error: Option<Arc<DMatrix<f32>>>,
    buffers: Pool<Vec<f32>>,
}

impl Oscillators {
    /// The oscillators of the equation, η = 0 and J as it is set.
    #[must_use]
    pub fn nominal(config: &OscillatorsConfig) -> Self {
        Self::assemble(config, 0.0, None)
    }

    /// A fabricated copy: η differs from the configuration's by a normal deviate of standard deviation
    /// `mismatch`, and the couplings by the configuration's deviation, both drawn from `seed`.
    #[must_use]
    pub fn fabricated(config: &OscillatorsConfig, mismatch: f64, seed: u64) -> Self {
        let deviation = config.coupling_deviation as f32;
        let error = (deviation > 0.0).then(|| {
            let mut random = random::stream(seed, "coupling error");
            let mut error = DMatrix::zeros(config.count, config.count);
            for column in 0..config.count {
                for row in 0..column {
                    let normal: f32 = StandardNormal.sample(&mut random);
                    error[(row, column)] = deviation * normal;
                    error[(column, row)] = deviation * normal;
                }
            }
            error
        });
        let deviate = random::deviate(&mut random::stream(seed, "fabrication"));
        Self::assemble(config, config.bend + mismatch * deviate, error)
    }
}

impl Oscillators {
    /// The constants of this copy's equation, for code that integrates it by other means.
    #[must_use]
    pub fn as_built(&self) -> OscillatorConstants<'_> {
        OscillatorConstants {
            count: self.count,
            steps: self.steps,
            step: self.step,
            bend: self.bend,
            coupling_error: self.coupling_error.as_deref(),
        }
    }

    fn assemble(
        config: &OscillatorsConfig,
        bend: f64,
        coupling_error: Option<DMatrix<f32>>,
    ) -> Self {
        let (count, angle) = (config.count, config.largest_angle as f32);
        let largest = config.largest_parameter as f32;
        Self {
            interface: Interface {
                device: "oscillators".to_owned(),
                inputs: Channels::bank("initial angle", count, "rad", -angle, angle),
                parameters: Channels::bank("coupling", count * count, "1", -largest, largest)
                    .and(Channels::bank("drive", count, "1", -largest, largest)),
                outputs: Channels::bank("angle", count, "rad", -LARGEST_READING, LARGEST_READING),
                seconds_per_shot: config.seconds_per_shot,
            },
            count,
            rows: (count + 1).next_multiple_of(LANES),
            steps: config.steps,
            step: (config.time / config.steps as f64) as f32,
            bend: 1.0 + bend as f32,
            coupling_error: coupling_error.map(Arc::new),
            buffers: Pool::default(),
        }
    }

    /// A and, as one more column, e of the module's equation, `[rows × N + 1]`, from C (column by column) and
    /// e. With a row of ones below the sines, one product adds e as well.
    fn dynamics(&self, parameters: &DVector<f32>) -> Vec<f32> {
        let (count, rows) = (self.count, self.rows);
        let (free, drives) = parameters.as_slice().split_at(count * count);
        let mut matrix = vec![0.0; rows * (count + 1)];
        let (couplings, of_drives) = matrix.split_at_mut(rows * count);
        of_drives[..count].copy_from_slice(drives);
        let free = Square { values: free, rows: count, count };
        let symmetric = |c: f32, transposed: f32, _, _| 0.5 * (c + transposed);
        free.combine_with_transposed(couplings, rows, symmetric, |column, oscillator| {
            if let Some(error) = &self.coupling_error {
                let error = &error.as_slice()[oscillator * count..][..count];
                column.iter_mut().zip(error).for_each(|(coupling, error)| *coupling += error);
            }
            let sum = lanes_sum(column) - column[oscillator];
            column[oscillator] = -1.0 - sum;
        });
        matrix
    }

    /// Columns of N values with zeros below.
    fn padded(&self, values: &[f32]) -> Vec<f32> {
        let mut padded = vec![0.0; values.len() / self.count * self.rows];
        for (padded, values) in
            padded.chunks_exact_mut(self.rows).zip(values.chunks_exact(self.count))
        {
            padded[..self.count].copy_from_slice(values);
        }
        padded
    }

    /// The N values of each padded column.
    fn unpad(&self, padded: &[f32], values: &mut [f32]) {
        for (padded, values) in
            padded.chunks_exact(self.rows).zip(values.chunks_exact_mut(self.count))
        {
            values.copy_from_slice(&padded[..self.count]);
        }
    }
}

/// The sum of `values`, in as many partial sums as a vector has lanes.
fn lanes_sum(values: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum::<f32>() + rest
}
