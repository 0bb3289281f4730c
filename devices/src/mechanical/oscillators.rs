//! Coupled nonlinear oscillators, all to all: pendula that pull on each other.
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
//! | C | free coupling matrix; only its symmetric part acts | 1 |
//! | e | constant drive of an oscillator | 1 |
//! | t | evolution time, in units of the inverse natural frequency | 1 |
//!
//! The true device bends sooner, sin((1 + η) q), and its couplings are off by a fixed random
//! symmetric matrix.
//!
//! Source: the coupled-oscillator networks of Wright et al., Nature 601, 549 (2022), as in the
//! authors' public examples. Left out: damping.
//!
//! Time is discretised by the classical fourth-order Runge-Kutta method. No acceleration depends
//! on a velocity, so its four stages reduce to Nyström's form (Hairer, Nørsett & Wanner, Solving
//! Ordinary Differential Equations I, 1993, II.14): with a_k = A sin Q_k + e,
//!
//! ```text
//! Q_1 = q                       Q_2 = q + ½ h p
//! Q_3 = q + ½ h p + ¼ h² a_1    Q_4 = q + h p + ½ h² a_2
//! q ← q + h p + h²/6 (a_1 + a_2 + a_3)
//! p ← p + h/6 (a_1 + 2 a_2 + 2 a_3 + a_4)
//! ```
//!
//! At the start p = 0, so that a_2 = a_1, and only the angles are read, so that the last step needs
//! no a_4: K steps take 4 K − 2 products with A. The adjoint differentiates these lines exactly; A is
//! symmetric, so both ways multiply by A.

use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::elementary::{sin_cos, vectorised};
use crate::matrix_product::{multiply, multiply_transposed};
use crate::{Channels, DeviceError, Differentiable, Interface, PhysicalLayer, random, validate};

/// Coupled nonlinear oscillators, as a recipe writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OscillatorsConfig {
    /// Number of oscillators N: inputs N, parameters N² + N, outputs N.
    #[serde(deserialize_with = "validate::count")]
    pub count: usize,
    /// Evolution time, in units of the inverse natural frequency.
    #[serde(deserialize_with = "validate::positive")]
    pub time: f64,
    /// Runge-Kutta steps over that time.
    #[serde(deserialize_with = "validate::count")]
    pub steps: usize,
    /// Initial angles reach from minus to plus this, in rad.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_angle: f64,
    /// Couplings and drives reach from minus to plus this.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_parameter: f64,
    /// η of the true device: its restoring force is sin((1 + η) q).
    #[serde(deserialize_with = "validate::finite")]
    pub bend: f64,
    /// Standard deviation of the symmetric random matrix that the true device adds to J.
    #[serde(deserialize_with = "validate::non_negative")]
    pub coupling_deviation: f64,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

impl Default for OscillatorsConfig {
    /// 100 oscillators over half a unit of time in five steps, without a reality gap.
    fn default() -> Self {
        Self {
            count: 100,
            time: 0.5,
            steps: 5,
            largest_angle: 4.0,
            largest_parameter: 2.0,
            bend: 0.0,
            coupling_deviation: 0.0,
            seconds_per_shot: 1e-3,
        }
    }
}

/// Shots one worker integrates at a time.
const SHOTS_A_TASK: usize = 16;
/// Columns of ∂L/∂A one worker computes at a time.
const COLUMNS_A_TASK: usize = 64;
/// A reading is an angle; what exceeds this many radians has left every sensor.
const LARGEST_READING: f32 = 100.0;

/// One copy of the oscillators: nominal, or as built.
pub struct Oscillators {
    interface: Interface,
    count: usize,
    steps: usize,
    step: f32,
    /// 1 + η.
    bend: f32,
    /// What the copy adds to J; symmetric, its diagonal zero.
    coupling_error: Option<DMatrix<f32>>,
}

impl Oscillators {
    /// The oscillators of the equation, η = 0 and J as it is set.
    ///
    /// # Errors
    /// None today; a configuration is checked as it is read.
    pub fn nominal(config: &OscillatorsConfig) -> Result<Self, DeviceError> {
        Ok(Self::assemble(config, 0.0, None))
    }

    /// A copy whose η is off the configuration's by a normal deviate of standard deviation
    /// `mismatch` and whose couplings are off by the configuration's, both drawn from `seed`.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &OscillatorsConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
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
        let normal: f64 = StandardNormal.sample(&mut random::stream(seed, "fabrication"));
        Ok(Self::assemble(config, config.bend + mismatch * normal.clamp(-3.0, 3.0), error))
    }
}

impl Oscillators {
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
            steps: config.steps,
            step: (config.time / config.steps as f64) as f32,
            bend: 1.0 + bend as f32,
            coupling_error,
        }
    }

    /// A and e of the module's equation, from C (column by column) and e.
    fn dynamics(&self, parameters: &DVector<f32>) -> (DMatrix<f32>, DVector<f32>) {
        let count = self.count;
        let (free, drives) = parameters.as_slice().split_at(count * count);
        let mut matrix = DMatrix::zeros(count, count);
        over_symmetric_pairs(&mut matrix, |row, column| {
            0.5 * (free[column * count + row] + free[row * count + column])
        });
        if let Some(error) = &self.coupling_error {
            matrix += error;
        }
        for (oscillator, mut column) in matrix.column_iter_mut().enumerate() {
            let sum = column.sum() - column[oscillator];
            column[oscillator] = -1.0 - sum;
        }
        (matrix, DVector::from_column_slice(drives))
    }
}

/// Fills a square matrix with `value(row, column)`, tile by tile: a value that reads both (row,
/// column) and (column, row) of another matrix finds both in the cache.
fn over_symmetric_pairs(matrix: &mut DMatrix<f32>, value: impl Fn(usize, usize) -> f32 + Sync) {
    const TILE: usize = 16;
    let count = matrix.nrows();
    matrix.as_mut_slice().par_chunks_mut(TILE * count).enumerate().for_each(|(tile, columns)| {
        for first_row in (0..count).step_by(TILE) {
            for (column, values) in (tile * TILE..).zip(columns.chunks_exact_mut(count)) {
                for row in first_row..count.min(first_row + TILE) {
                    values[row] = value(row, column);
                }
            }
        }
    });
}

/// Weights of the velocity (in h) and of the last acceleration but one (in h²) in stage k's angle.
const STAGE: [(f32, f32); 4] = [(0.0, 0.0), (0.5, 0.0), (0.5, 0.25), (1.0, 0.5)];
/// Weights of the stages' accelerations in the step's angle (in h²) and velocity (in h).
const STEP: [(f32, f32); 4] =
    [(1.0 / 6.0, 1.0 / 6.0), (1.0 / 6.0, 1.0 / 3.0), (1.0 / 6.0, 1.0 / 3.0), (0.0, 1.0 / 6.0)];

/// Place of a stage among those that are computed: the second is the first at the start.
fn slot(step: usize, stage: usize) -> usize {
    (4 * step + stage).saturating_sub(1)
}

/// One block of shots under way: the state, and what the adjoint needs of it. A matrix is a column a
/// shot, stored as its values.
struct Block<'a> {
    device: &'a Oscillators,
    matrix: &'a DMatrix<f32>,
    /// Values in a matrix: N · shots.
    size: usize,
    angle: Vec<f32>,
    velocity: Vec<f32>,
    accelerations: [Vec<f32>; 4],
    /// sin((1 + η) Q) of every slot, side by side; only the one under way where no adjoint follows.
    sines: Vec<f32>,
    /// d sin((1 + η) Q) / d Q, likewise; empty where no adjoint follows.
    slopes: Vec<f32>,
}

impl<'a> Block<'a> {
    fn new(device: &'a Oscillators, matrix: &'a DMatrix<f32>, inputs: &[f32], keep: bool) -> Self {
        let size = inputs.len();
        let kept = (4 * device.steps - 2) * size;
        let zeros = || vec![0.0; size];
        Self {
            device,
            matrix,
            size,
            angle: inputs.to_vec(),
            velocity: zeros(),
            accelerations: [zeros(), zeros(), zeros(), zeros()],
            sines: vec![0.0; if keep { kept } else { size }],
            slopes: vec![0.0; if keep { kept } else { 0 }],
        }
    }

    fn shots(&self) -> usize {
        self.size / self.device.count
    }

    /// Integrates to the end of the evolution time under the constant drives `drives`.
    fn integrate(&mut self, drives: &DVector<f32>) {
        for step in 0..self.device.steps {
            for stage in 0..4 {
                if (step, stage) == (0, 1) {
                    let (first, others) = self.accelerations.split_at_mut(1);
                    others[0].copy_from_slice(&first[0]);
                } else if (step + 1, stage) != (self.device.steps, 3) {
                    self.accelerate(step, stage, drives);
                }
            }
            self.advance();
        }
    }

    /// Stage `stage`'s acceleration, its sines and slopes.
    fn accelerate(&mut self, step: usize, stage: usize, drives: &DVector<f32>) {
        let (h, bend, size) = (self.device.step, self.device.bend, self.size);
        let keep = !self.slopes.is_empty();
        let first = if keep { slot(step, stage) * size } else { 0 };
        let sines = &mut self.sines[first..first + size];
        let (of_velocity, of_acceleration) = (STAGE[stage].0 * h, STAGE[stage].1 * h * h);
        let before = &self.accelerations[stage.saturating_sub(2)];
        let angles = self.angle.iter().zip(&self.velocity).zip(before).map(
            #[inline(always)]
            |((q, p), a)| q + of_velocity * p + of_acceleration * a,
        );
        if keep {
            let slopes = &mut self.slopes[first..first + size];
            vectorised(
                #[inline(always)]
                || {
                    for ((sine, slope), angle) in sines.iter_mut().zip(slopes).zip(angles) {
                        let (s, c) = sin_cos(bend * angle);
                        (*sine, *slope) = (s, bend * c);
                    }
                },
            );
        } else {
            vectorised(
                #[inline(always)]
                || {
                    for (sine, angle) in sines.iter_mut().zip(angles) {
                        *sine = sin_cos(bend * angle).0;
                    }
                },
            );
        }
        let acceleration = &mut self.accelerations[stage];
        for shot in acceleration.chunks_exact_mut(self.device.count) {
            shot.copy_from_slice(drives.as_slice());
        }
        multiply(acceleration, self.matrix.as_slice(), sines, self.device.count, 1.0);
    }

    /// The step from the four accelerations.
    fn advance(&mut self) {
        let h = self.device.step;
        let [a1, a2, a3, a4] = &self.accelerations;
        let state = self.angle.iter_mut().zip(&mut self.velocity);
        let accelerations = a1.iter().zip(a2).zip(a3.iter().zip(a4));
        vectorised(
            #[inline(always)]
            || {
                for ((q, p), ((a1, a2), (a3, a4))) in state.zip(accelerations) {
                    *q += h * *p + h * h / 6.0 * (a1 + a2 + a3);
                    *p += h / 6.0 * (a1 + 2.0 * (a2 + a3) + a4);
                }
            },
        );
    }

    /// Turns the cotangent of the final angles into that of the initial ones, in place; returns the
    /// cotangents of the accelerations, a matrix a slot as the sines have it.
    fn adjoint(&self, of_angle: &mut [f32]) -> Vec<f32> {
        let (h, size, steps) = (self.device.step, self.size, self.device.steps);
        let mut of_velocity = vec![0.0; size];
        let mut pulled = vec![0.0; size];
        let mut pulls = vec![0.0; self.sines.len()];
        for step in (0..steps).rev() {
            for (stage, (in_angle, in_velocity)) in STEP.into_iter().enumerate() {
                if (step + 1, stage) == (steps, 3) {
                    continue; // no velocity is read
                }
                let (in_angle, in_velocity) = (in_angle * h * h, in_velocity * h);
                let first = slot(step, stage) * size;
                let pull = pulls[first..first + size].iter_mut();
                let cotangents = of_angle.iter().zip(&of_velocity);
                vectorised(
                    #[inline(always)]
                    || {
                        for (pull, (angle, velocity)) in pull.zip(cotangents) {
                            *pull += in_angle * angle + in_velocity * velocity;
                        }
                    },
                );
            }
            of_velocity.iter_mut().zip(&*of_angle).for_each(|(v, q)| *v += h * q);
            for (stage, (in_velocity, in_acceleration)) in STAGE.into_iter().enumerate().rev() {
                if (step + 1, stage) == (steps, 3) || (step, stage) == (0, 1) {
                    continue; // never computed
                }
                let (in_velocity, in_acceleration) = (in_velocity * h, in_acceleration * h * h);
                let first = slot(step, stage) * size;
                let (before, here) = pulls.split_at_mut(first);
                multiply(
                    &mut pulled,
                    self.matrix.as_slice(),
                    &here[..size],
                    self.device.count,
                    0.0,
                );
                let slopes = &self.slopes[first..first + size];
                let cotangents = of_angle.iter_mut().zip(&mut of_velocity);
                let pulled = pulled.iter().zip(slopes);
                if stage > 1 {
                    let earlier = slot(step, stage - 2) * size;
                    let earlier = &mut before[earlier..earlier + size];
                    vectorised(
                        #[inline(always)]
                        || {
                            for (((q, p), (pulled, slope)), earlier) in
                                cotangents.zip(pulled).zip(earlier)
                            {
                                let pulled = pulled * slope;
                                *q += pulled;
                                *p += in_velocity * pulled;
                                *earlier += in_acceleration * pulled;
                            }
                        },
                    );
                } else {
                    vectorised(
                        #[inline(always)]
                        || {
                            for ((q, p), (pulled, slope)) in cotangents.zip(pulled) {
                                let pulled = pulled * slope;
                                *q += pulled;
                                *p += in_velocity * pulled;
                            }
                        },
                    );
                }
            }
        }
        pulls
    }
}

impl PhysicalLayer for Oscillators {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.respond(inputs, parameters, outputs)
    }
}

impl Differentiable for Oscillators {
    fn respond(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        let (matrix, drives) = self.dynamics(parameters);
        let task = SHOTS_A_TASK * self.count;
        inputs
            .as_slice()
            .par_chunks(task)
            .zip(outputs.as_mut_slice().par_chunks_mut(task))
            .for_each(|(inputs, outputs)| {
                let mut block = Block::new(self, &matrix, inputs, false);
                block.integrate(&drives);
                outputs.copy_from_slice(&block.angle);
            });
        Ok(())
    }

    fn vjp(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        let (matrix, drives) = self.dynamics(parameters);
        let count = self.count;
        let task = SHOTS_A_TASK * count;
        input_cotangents.copy_from(cotangents);
        // What each task saw and pulled, in task order: the same bits on any number of threads.
        let tasks: Vec<(Vec<f32>, Vec<f32>)> = inputs
            .as_slice()
            .par_chunks(task)
            .zip(input_cotangents.as_mut_slice().par_chunks_mut(task))
            .map(|(inputs, input_cotangents)| {
                let mut block = Block::new(self, &matrix, inputs, true);
                block.integrate(&drives);
                let pulls = block.adjoint(input_cotangents);
                (block.sines, pulls)
            })
            .collect();
        // ∂L/∂A = Σ pull sinᵀ, columns in parallel.
        let mut of_matrix = matrix;
        of_matrix.fill(0.0);
        of_matrix.as_mut_slice().par_chunks_mut(COLUMNS_A_TASK * count).enumerate().for_each(
            |(place, columns)| {
                for (sines, pulls) in &tasks {
                    multiply_transposed(columns, pulls, sines, count, place * COLUMNS_A_TASK);
                }
            },
        );
        // ∂A_ij = ∂J_ij off the diagonal and A_ii = −1 − Σ_j J_ij, with J = (C + Cᵀ) / 2.
        let diagonal = of_matrix.diagonal();
        let mut of_coupling = DMatrix::zeros(count, count);
        over_symmetric_pairs(&mut of_coupling, |row, column| {
            let pair = of_matrix[(row, column)] + of_matrix[(column, row)];
            0.5 * (pair - diagonal[row] - diagonal[column])
        });
        let (of_free, of_drives) = parameter_cotangents.as_mut_slice().split_at_mut(count * count);
        of_free.copy_from_slice(of_coupling.as_slice());
        of_drives.fill(0.0);
        for pull in tasks.iter().flat_map(|(_, pulls)| pulls.chunks_exact(count)) {
            of_drives.iter_mut().zip(pull).for_each(|(sum, pull)| *sum += pull);
        }
        Ok(())
    }
}
