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
//! The adjoint differentiates these lines exactly; A is symmetric, so both ways multiply by A.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Channel, DeviceError, Differentiable, Interface, PhysicalLayer, random, validate};

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
        let mut parameters = Channel::bank("coupling", count * count, "1", -largest, largest);
        parameters.extend(Channel::bank("drive", count, "1", -largest, largest));
        Self {
            interface: Interface {
                device: "oscillators".to_owned(),
                inputs: Channel::bank("initial angle", count, "rad", -angle, angle),
                parameters,
                outputs: Channel::bank("angle", count, "rad", -LARGEST_READING, LARGEST_READING),
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
        let (free, drives) = parameters.as_slice().split_at(self.count * self.count);
        let free = DMatrixView::from_slice(free, self.count, self.count);
        let mut matrix = (free + free.transpose()) * 0.5;
        if let Some(error) = &self.coupling_error {
            matrix += error;
        }
        for oscillator in 0..self.count {
            let sum = matrix.column(oscillator).sum() - matrix[(oscillator, oscillator)];
            matrix[(oscillator, oscillator)] = -1.0 - sum;
        }
        (matrix, DVector::from_column_slice(drives))
    }
}

/// Weights of the velocity (in h) and of the last acceleration but one (in h²) in stage k's angle.
const STAGE: [(f32, f32); 4] = [(0.0, 0.0), (0.5, 0.0), (0.5, 0.25), (1.0, 0.5)];
/// Weights of the stages' accelerations in the step's angle (in h²) and velocity (in h).
const STEP: [(f32, f32); 4] =
    [(1.0 / 6.0, 1.0 / 6.0), (1.0 / 6.0, 1.0 / 3.0), (1.0 / 6.0, 1.0 / 3.0), (0.0, 1.0 / 6.0)];

/// One block of shots under way: the state, and what the adjoint needs of it.
struct Block {
    shots: usize,
    angle: DMatrix<f32>,
    velocity: DMatrix<f32>,
    accelerations: [DMatrix<f32>; 4],
    /// sin((1 + η) Q_k) of every stage of every step, side by side: `[N × 4 steps · shots]`; only
    /// the stage under way where no adjoint follows.
    sines: DMatrix<f32>,
    /// d sin((1 + η) Q_k) / d Q_k, likewise; empty where no adjoint follows.
    slopes: DMatrix<f32>,
}

impl Block {
    fn new(device: &Oscillators, inputs: &[f32], keep: bool) -> Self {
        let count = device.count;
        let shots = inputs.len() / count;
        let zeros = || DMatrix::zeros(count, shots);
        let kept = 4 * device.steps * shots;
        Self {
            shots,
            angle: DMatrix::from_column_slice(count, shots, inputs),
            velocity: zeros(),
            accelerations: [zeros(), zeros(), zeros(), zeros()],
            sines: DMatrix::zeros(count, if keep { kept } else { shots }),
            slopes: DMatrix::zeros(count, if keep { kept } else { 0 }),
        }
    }

    /// Integrates to the end of the evolution time.
    fn integrate(&mut self, device: &Oscillators, matrix: &DMatrix<f32>, drives: &DVector<f32>) {
        let h = device.step;
        let keep = self.slopes.ncols() > 0;
        for step in 0..device.steps {
            for (stage, (of_velocity, of_acceleration)) in STAGE.into_iter().enumerate() {
                let first = if keep { (4 * step + stage) * self.shots } else { 0 };
                let mut sines = self.sines.columns_mut(first, self.shots);
                sines.copy_from(&self.angle);
                if stage > 0 {
                    axpy(&mut sines, of_velocity * h, &self.velocity);
                }
                if stage > 1 {
                    axpy(&mut sines, of_acceleration * h * h, &self.accelerations[stage - 2]);
                }
                if keep {
                    let mut slopes = self.slopes.columns_mut(first, self.shots);
                    for (slope, angle) in slopes.iter_mut().zip(sines.iter()) {
                        *slope = device.bend * (device.bend * angle).cos();
                    }
                }
                for angle in sines.iter_mut() {
                    *angle = (device.bend * *angle).sin();
                }
                let acceleration = &mut self.accelerations[stage];
                for mut shot in acceleration.column_iter_mut() {
                    shot.copy_from(drives);
                }
                acceleration.gemm(1.0, matrix, &sines, 1.0);
            }
            axpy(&mut self.angle.as_view_mut(), h, &self.velocity);
            for (acceleration, (of_angle, of_velocity)) in self.accelerations.iter().zip(STEP) {
                axpy(&mut self.angle.as_view_mut(), of_angle * h * h, acceleration);
                axpy(&mut self.velocity.as_view_mut(), of_velocity * h, acceleration);
            }
        }
    }

    /// From the cotangent of the final angles to that of the initial ones; returns it with the
    /// cotangents of A `[N × N]` and e `[N]`, summed over the block.
    fn adjoint(
        &self,
        device: &Oscillators,
        matrix: &DMatrix<f32>,
        cotangents: &[f32],
    ) -> (DMatrix<f32>, DMatrix<f32>, DVector<f32>) {
        let h = device.step;
        let mut of_angle = DMatrix::from_column_slice(device.count, self.shots, cotangents);
        let mut of_velocity = DMatrix::zeros(device.count, self.shots);
        let mut pulled = DMatrix::zeros(device.count, self.shots);
        // Cotangents of the accelerations, beside the sines that made them.
        let mut pulls = DMatrix::zeros(device.count, self.sines.ncols());
        for step in (0..device.steps).rev() {
            let first = 4 * step * self.shots;
            for (stage, (in_angle, in_velocity)) in STEP.into_iter().enumerate() {
                let mut pull = pulls.columns_mut(first + stage * self.shots, self.shots);
                axpy(&mut pull, in_angle * h * h, &of_angle);
                axpy(&mut pull, in_velocity * h, &of_velocity);
            }
            axpy(&mut of_velocity.as_view_mut(), h, &of_angle);
            for (stage, (in_velocity, in_acceleration)) in STAGE.into_iter().enumerate().rev() {
                let first_of = |stage: usize| first + stage * self.shots;
                pulled.gemm(1.0, matrix, &pulls.columns(first_of(stage), self.shots), 0.0);
                pulled.component_mul_assign(&self.slopes.columns(first_of(stage), self.shots));
                of_angle += &pulled;
                axpy(&mut of_velocity.as_view_mut(), in_velocity * h, &pulled);
                if stage > 1 {
                    let mut pull = pulls.columns_mut(first_of(stage - 2), self.shots);
                    axpy(&mut pull, in_acceleration * h * h, &pulled);
                }
            }
        }
        let of_matrix = &pulls * self.sines.transpose();
        (of_angle, of_matrix, pulls.column_sum())
    }
}

/// y ← y + a x.
fn axpy(y: &mut DMatrixViewMut<f32>, a: f32, x: &DMatrix<f32>) {
    for (y, x) in y.iter_mut().zip(x.iter()) {
        *y += a * x;
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
                let mut block = Block::new(self, inputs, false);
                block.integrate(self, &matrix, &drives);
                outputs.copy_from_slice(block.angle.as_slice());
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
        let task = SHOTS_A_TASK * self.count;
        // One partial sum a task, added in task order: the same bits on any number of threads.
        let partial: Vec<(DMatrix<f32>, DVector<f32>)> = inputs
            .as_slice()
            .par_chunks(task)
            .zip(cotangents.as_slice().par_chunks(task))
            .zip(input_cotangents.as_mut_slice().par_chunks_mut(task))
            .map(|((inputs, cotangents), input_cotangents)| {
                let mut block = Block::new(self, inputs, true);
                block.integrate(self, &matrix, &drives);
                let (of_angle, of_matrix, of_drives) = block.adjoint(self, &matrix, cotangents);
                input_cotangents.copy_from_slice(of_angle.as_slice());
                (of_matrix, of_drives)
            })
            .collect();
        let mut of_matrix = DMatrix::zeros(self.count, self.count);
        let mut of_drives = DVector::zeros(self.count);
        for (matrix, drives) in partial {
            of_matrix += matrix;
            of_drives += drives;
        }
        // ∂A_ij = ∂J_ij off the diagonal and A_ii = −1 − Σ_j J_ij, with J = (C + Cᵀ) / 2.
        let diagonal = of_matrix.diagonal();
        let (free, last) =
            parameter_cotangents.as_mut_slice().split_at_mut(self.count * self.count);
        for column in 0..self.count {
            for row in 0..self.count {
                free[column * self.count + row] = 0.5
                    * (of_matrix[(row, column)] + of_matrix[(column, row)]
                        - diagonal[row]
                        - diagonal[column]);
            }
        }
        last.copy_from_slice(of_drives.as_slice());
        Ok(())
    }
}
