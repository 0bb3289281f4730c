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
//! | C | free coupling matrix; only its symmetric part acts, and not its diagonal | 1 |
//! | e | constant drive of an oscillator | 1 |
//! | t | evolution time, in units of the inverse natural frequency | 1 |
//!
//! The true device bends sooner, sin((1 + η) q), and its couplings are off by a fixed random
//! symmetric matrix.
//!
//! Source: the coupled-oscillator networks of Wright et al., Nature 601, 549 (2022), as in the
//! authors' public examples. Left out: damping.
//!
//! Time is discretised as [`nystrom`](super::nystrom) says, with a = A sin Q + e. The adjoint
//! differentiates that exactly; A is symmetric, so both ways multiply by A.

mod buffers;
mod square;

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::buffers::Buffers;
use self::square::Square;
use super::nystrom::{STAGE, is_computed, is_used, slot, slots};
use crate::elementary::{MULTIPLY_ADDS, sin, sin_cos, vectorised};
use crate::matrix_product::{multiply, multiply_transposed};
use crate::{
    Channels, Constant, DeviceError, Differentiable, Interface, LinearisedEquation, PhysicalLayer,
    random, validate,
};

/// Coupled nonlinear oscillators, as a recipe writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// What the equation of a copy needs besides couplings and drives.
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
/// The same in a large batch: a multiple of the six columns that the product's kernel takes at once.
const LARGE_TASK: usize = 30;
/// A matrix has a multiple of this many rows: the widest vector of 32-bit floats.
const LANES: usize = 16;
/// Columns of ∂L/∂A one worker computes at a time.
const COLUMNS_A_TASK: usize = 64;
/// A reading is an angle; what exceeds this many radians has left every sensor.
const LARGEST_READING: f32 = 100.0;

/// One copy of the oscillators: nominal, or as built.
#[derive(Clone)]
pub struct Oscillators {
    interface: Interface,
    count: usize,
    /// Rows that a matrix has for its N and for e: whole vectors, the rest zero, so that the products
    /// pack nothing.
    rows: usize,
    steps: usize,
    step: f32,
    /// 1 + η.
    bend: f32,
    /// What the copy adds to J; symmetric, its diagonal zero.
    coupling_error: Option<Arc<DMatrix<f32>>>,
    buffers: Buffers,
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
        let deviate = random::deviate(&mut random::stream(seed, "fabrication"));
        Ok(Self::assemble(config, config.bend + mismatch * deviate, error))
    }
}

impl Oscillators {
    /// The constants of this copy's equation, for who integrates it by other means.
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
            buffers: Buffers::default(),
        }
    }

    /// A and, as one more column, e of the module's equation, `[rows × N + 1]`, from C (column by
    /// column) and e: with a one below the sines it is all in the product.
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

/// One block of shots under way: the state, and what the adjoint needs of it. Each is a padded column
/// a shot.
struct Block<'a> {
    device: &'a Oscillators,
    matrix: &'a [f32],
    /// Rows · shots.
    size: usize,
    angle: Vec<f32>,
    velocity: Vec<f32>,
    accelerations: [Vec<f32>; 4],
    /// sin((1 + η) Q) of every slot, side by side; only the one under way where no adjoint follows.
    sines: Vec<f32>,
    /// d sin((1 + η) Q) / d Q, likewise; empty where no adjoint follows.
    slopes: Vec<f32>,
    /// Q, likewise; empty where nobody asks for the cotangent of η.
    angles: Vec<f32>,
}

/// What a block keeps of its way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Nothing: only the final angles are wanted.
    Nothing,
    /// What the adjoint needs.
    Slopes,
    /// That, and what the constants' cotangents need.
    Angles,
}

impl<'a> Block<'a> {
    fn new(device: &'a Oscillators, matrix: &'a [f32], inputs: &[f32], keep: Keep) -> Self {
        let angle = device.padded(inputs);
        let size = angle.len();
        let kept = slots(device.steps) * size;
        let zeros = || vec![0.0; size];
        Self {
            device,
            matrix,
            size,
            angle,
            velocity: zeros(),
            accelerations: [zeros(), zeros(), zeros(), zeros()],
            sines: device.buffers.take(if keep == Keep::Nothing { size } else { kept }),
            slopes: device.buffers.take(if keep == Keep::Nothing { 0 } else { kept }),
            angles: vec![0.0; if keep == Keep::Angles { kept } else { 0 }],
        }
    }

    /// Integrates to the end of the evolution time.
    fn integrate(&mut self) {
        for step in 0..self.device.steps {
            for stage in 0..4 {
                if (step, stage) == (0, 1) {
                    let (first, others) = self.accelerations.split_at_mut(1);
                    others[0].copy_from_slice(&first[0]);
                } else if is_used(step, stage, self.device.steps) {
                    self.accelerate(step, stage);
                }
            }
            self.advance();
        }
    }

    /// Stage `stage`'s acceleration, its sines and slopes.
    fn accelerate(&mut self, step: usize, stage: usize) {
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
        if !self.angles.is_empty() {
            let kept = &mut self.angles[first..first + size];
            kept.iter_mut().zip(angles.clone()).for_each(|(kept, angle)| *kept = angle);
        }
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
                        *sine = sin(bend * angle);
                    }
                },
            );
        }
        let Oscillators { count, rows, .. } = *self.device;
        for shot in sines.chunks_exact_mut(rows) {
            shot[count] = 1.0;
        }
        multiply(&mut self.accelerations[stage], self.matrix, sines, rows, rows);
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

    /// What the adjoint needs of the way.
    fn kept(self) -> Kept {
        Kept { size: self.size, sines: self.sines, slopes: self.slopes, angles: self.angles }
    }
}

/// A block of shots that went its way, as a [`Block`] has it.
struct Kept {
    size: usize,
    sines: Vec<f32>,
    slopes: Vec<f32>,
    angles: Vec<f32>,
}

impl Kept {
    /// From the cotangent of the final angles to that of the initial ones, the cotangents of the
    /// accelerations, slot by slot as the sines, and, where the angles were kept, that of η.
    fn adjoint(
        &self,
        device: &Oscillators,
        matrix: &[f32],
        mut of_angle: Vec<f32>,
    ) -> (Vec<f32>, Vec<f32>, f32) {
        let (h, size, steps) = (device.step, self.size, device.steps);
        let (rows, couplings) = (device.rows, &matrix[..device.rows * device.count]);
        let mut of_velocity = vec![0.0; size];
        let mut pulled = vec![0.0; size];
        let mut pulls = device.buffers.take(self.sines.len());
        let mut of_bend = 0.0;
        for step in (0..steps).rev() {
            // The stages' shares in the step, as the weights of `STEP` have them: in units of h²/6 of
            // the angle's cotangent (1, 1, 1, 0), of h/6 of the velocity's (1, 2, 2, 1).
            let last = slot(step, if is_used(step, 3, steps) { 3 } else { 2 });
            let mut stages = pulls[slot(step, 0) * size..(last + 1) * size].chunks_exact_mut(size);
            let first = stages.next().unwrap_or_default();
            let second = if step > 0 { stages.next() } else { None };
            let third = stages.next().unwrap_or_default();
            let twice = f32::from(u8::from(second.is_none()));
            if let Some(fourth) = stages.next() {
                let velocities = fourth.iter_mut().zip(&of_velocity);
                velocities.for_each(|(pull, velocity)| *pull = h / 6.0 * velocity);
            }
            let pulled_on = first.iter_mut().zip(third.iter_mut());
            let cotangents = of_angle.iter().zip(&mut of_velocity);
            vectorised(
                #[inline(always)]
                || {
                    for ((first, third), (angle, velocity)) in pulled_on.zip(cotangents) {
                        let (in_angle, in_velocity) = (h * h / 6.0 * angle, h / 6.0 * *velocity);
                        *third = in_angle + 2.0 * in_velocity;
                        *first = in_angle + in_velocity + twice * *third;
                        *velocity += h * angle;
                    }
                },
            );
            if let Some(second) = second {
                second.copy_from_slice(third);
            }
            for (stage, (in_velocity, in_acceleration)) in STAGE.into_iter().enumerate().rev() {
                if !is_computed(step, stage, steps) {
                    continue;
                }
                let (in_velocity, in_acceleration) = (in_velocity * h, in_acceleration * h * h);
                let first = slot(step, stage) * size;
                let (before, here) = pulls.split_at_mut(first);
                multiply(&mut pulled, couplings, &here[..size], rows, rows);
                let slopes = &self.slopes[first..first + size];
                if !self.angles.is_empty() {
                    // ∂ sin((1 + η) Q) / ∂η = Q cos((1 + η) Q).
                    let kept = slopes.iter().zip(&self.angles[first..first + size]);
                    let along = kept.zip(&pulled).map(|((slope, angle), of)| slope * angle * of);
                    of_bend += along.sum::<f32>() / device.bend;
                }
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
        (of_angle, pulls, of_bend)
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
        let matrix = self.dynamics(parameters);
        // A shot's bits do not depend on those beside it; larger tasks are quicker where there are enough.
        let is_large = inputs.ncols() >= 4 * LARGE_TASK * rayon::current_num_threads();
        let task = if is_large { LARGE_TASK } else { SHOTS_A_TASK } * self.count;
        inputs
            .as_slice()
            .par_chunks(task)
            .zip(outputs.as_mut_slice().par_chunks_mut(task))
            .for_each(|(inputs, outputs)| {
                let mut block = Block::new(self, &matrix, inputs, Keep::Nothing);
                block.integrate();
                self.unpad(&block.angle, outputs);
                self.buffers.give_back([block.sines]);
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
        let of = parameter_cotangents.as_mut_slice();
        self.differentiate(inputs, parameters, cotangents, input_cotangents, of, Keep::Slopes)?;
        Ok(())
    }

    fn linearise(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
    ) -> Option<Box<dyn LinearisedEquation>> {
        Some(Box::new(self.went(inputs, parameters, Keep::Slopes)))
    }

    fn constants(&self) -> Vec<Constant> {
        let errors: Vec<f32> = match &self.coupling_error {
            Some(error) => pairs(self.count).map(|pair| error[pair]).collect(),
            None => vec![0.0; self.count * (self.count - 1) / 2],
        };
        let bend = Constant { name: "bend".to_owned(), value: self.bend };
        std::iter::once(bend).chain(Constant::bank("coupling", &errors)).collect()
    }

    fn set_constants(&mut self, values: &[f32]) {
        self.bend = values[0];
        let mut error = DMatrix::zeros(self.count, self.count);
        for ((row, column), value) in pairs(self.count).zip(&values[1..]) {
            error[(row, column)] = *value;
            error[(column, row)] = *value;
        }
        self.coupling_error = Some(Arc::new(error));
    }

    fn constant_cotangents(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        let mut unused = DMatrix::zeros(inputs.nrows(), inputs.ncols());
        let mut of = vec![0.0; parameters.len()];
        let of_bend =
            self.differentiate(inputs, parameters, cotangents, &mut unused, &mut of, Keep::Angles)?;
        // An error of J_ij is one of J_ji as well, and so twice what C_ij does.
        let of_error = pairs(self.count).map(|(row, column)| 2.0 * of[column * self.count + row]);
        Ok(std::iter::once(of_bend).chain(of_error).collect())
    }

    fn multiply_adds(&self) -> u64 {
        let count = self.count as u64;
        slots(self.steps) as u64 * count * (count + MULTIPLY_ADDS)
    }
}

/// The sum of `values`, in as many partial sums as fill a vector.
fn lanes_sum(values: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum::<f32>() + rest
}

/// Places above the diagonal, column by column.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(|column| (0..column).map(move |row| (row, column)))
}

impl Oscillators {
    /// Cotangents of the drives and of C and e, both overwritten; returns that of η, zero unless the
    /// angles are kept.
    fn differentiate(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut [f32],
        keep: Keep,
    ) -> Result<f32, DeviceError> {
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        let way = self.went(inputs, parameters, keep);
        Ok(way.back(cotangents, input_cotangents, parameter_cotangents))
    }

    /// The way of a batch through the equation.
    fn went(&self, inputs: &DMatrix<f32>, parameters: &DVector<f32>, keep: Keep) -> Way {
        let matrix = self.dynamics(parameters);
        let blocks = inputs.as_slice().par_chunks(SHOTS_A_TASK * self.count);
        let blocks = blocks.map(|inputs| {
            let mut block = Block::new(self, &matrix, inputs, keep);
            block.integrate();
            block.kept()
        });
        let blocks = blocks.collect();
        Way { device: self.clone(), matrix, blocks }
    }
}

/// A batch that went through the equation.
struct Way {
    device: Oscillators,
    /// Of its [`dynamics`](Oscillators::dynamics).
    matrix: Vec<f32>,
    /// In the order of the shots.
    blocks: Vec<Kept>,
}

impl Way {
    /// Cotangents of the drives and of C and e, both overwritten; returns that of η, zero unless the
    /// angles were kept.
    fn back(
        &self,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut [f32],
    ) -> f32 {
        let Self { device, matrix, blocks } = self;
        let (count, rows) = (device.count, device.rows);
        let task = SHOTS_A_TASK * count;
        // What each task pulled, in task order: the same bits on any number of threads.
        let pulled: Vec<(Vec<f32>, f32)> = blocks
            .par_iter()
            .zip(cotangents.as_slice().par_chunks(task))
            .zip(input_cotangents.as_mut_slice().par_chunks_mut(task))
            .map(|((block, cotangents), input_cotangents)| {
                let (of_angle, pulls, of_bend) =
                    block.adjoint(device, matrix, device.padded(cotangents));
                device.unpad(&of_angle, input_cotangents);
                (pulls, of_bend)
            })
            .collect();
        // ∂L/∂A = Σ pull sinᵀ, columns in parallel.
        let mut of_matrix = vec![0.0; matrix.len()];
        of_matrix.par_chunks_mut(COLUMNS_A_TASK * rows).enumerate().for_each(|(place, columns)| {
            for (block, (pulls, _)) in blocks.iter().zip(&pulled) {
                multiply_transposed(columns, pulls, &block.sines, rows, place * COLUMNS_A_TASK);
            }
        });
        // ∂A_ij = ∂J_ij off the diagonal and A_ii = −1 − Σ_{j≠i} J_ij, with J = (C + Cᵀ) / 2.
        let diagonal: Vec<f32> = (0..count).map(|place| of_matrix[place * (rows + 1)]).collect();
        let (of_free, of_drives) = parameter_cotangents.split_at_mut(count * count);
        of_drives.copy_from_slice(&of_matrix[rows * count..][..count]);
        let of_matrix = Square { values: &of_matrix, rows, count };
        of_matrix.combine_with_transposed(
            of_free,
            count,
            |of, transposed, row, column| {
                0.5 * (of + transposed - diagonal[row] - diagonal[column])
            },
            |_, _| (),
        );
        let of_bend = pulled.iter().map(|(_, of_bend)| of_bend).sum();
        device.buffers.give_back(pulled.into_iter().map(|(pulls, _)| pulls));
        of_bend
    }
}

impl LinearisedEquation for Way {
    fn vjp(
        &self,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        self.back(cotangents, input_cotangents, parameter_cotangents.as_mut_slice());
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let used = self.blocks.drain(..).flat_map(|block| [block.sines, block.slopes]);
        self.device.buffers.give_back(used);
    }
}
