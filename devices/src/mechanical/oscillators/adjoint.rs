//! The adjoint of the integration: it differentiates the discretised equation exactly.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::block::{Block, Save, Saved};
use super::square::Square;
use super::{Oscillators, SHOTS_A_TASK};
use crate::elementary::vectorised;
use crate::matrix_product::{multiply, multiply_transposed};
use crate::mechanical::nystrom::{STAGE, is_computed, is_used, slot};
use crate::{DeviceError, LinearisedEquation};

/// Columns of ∂L/∂A one worker computes at a time.
const COLUMNS_A_TASK: usize = 64;

impl Oscillators {
    /// Overwrites the cotangents of the drives and of C and e; returns that of η, zero unless the angles
    /// are saved.
    pub(super) fn differentiate(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut [f32],
        save: Save,
    ) -> Result<f32, DeviceError> {
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        let trajectory = self.trajectory(inputs, parameters, save);
        Ok(trajectory.pull_back(cotangents, input_cotangents, parameter_cotangents))
    }

    /// Integrates a batch and saves its activations.
    pub(super) fn trajectory(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        save: Save,
    ) -> Trajectory {
        let matrix = self.dynamics(parameters);
        let blocks = inputs.as_slice().par_chunks(SHOTS_A_TASK * self.count);
        let blocks = blocks.map(|inputs| {
            let mut block = Block::new(self, &matrix, inputs, save);
            block.integrate();
            block.saved()
        });
        let blocks = blocks.collect();
        Trajectory { device: self.clone(), matrix, blocks }
    }
}

/// The integration of a batch, with the activations that its adjoint needs.
pub(super) struct Trajectory {
    device: Oscillators,
    /// A and e, as [`dynamics`](Oscillators::dynamics) gives them.
    matrix: Vec<f32>,
    /// In the order of the shots.
    blocks: Vec<Saved>,
}

impl Trajectory {
    /// Overwrites the cotangents of the drives and of C and e; returns that of η, zero unless the angles
    /// were saved.
    fn pull_back(
        &self,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut [f32],
    ) -> f32 {
        let Self { device, matrix, blocks } = self;
        let (count, rows) = (device.count, device.rows);
        let task = SHOTS_A_TASK * count;
        // In the order of the tasks: the same bits on any number of threads.
        let pulled: Vec<Pulled> = blocks
            .par_iter()
            .zip(cotangents.as_slice().par_chunks(task))
            .zip(input_cotangents.as_mut_slice().par_chunks_mut(task))
            .map(|((block, cotangents), input_cotangents)| {
                let pulled = block.pull_back(device, matrix, device.padded(cotangents));
                device.unpad(&pulled.angles, input_cotangents);
                pulled
            })
            .collect();
        // ∂L/∂A = Σ pull sinᵀ, columns in parallel.
        let mut of_matrix = vec![0.0; matrix.len()];
        of_matrix.par_chunks_mut(COLUMNS_A_TASK * rows).enumerate().for_each(|(place, columns)| {
            for (block, pulled) in blocks.iter().zip(&pulled) {
                let first = place * COLUMNS_A_TASK;
                multiply_transposed(columns, &pulled.accelerations, &block.sines, rows, first);
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
        let of_bend = pulled.iter().map(|pulled| pulled.bend).sum();
        device.buffers.give_back(pulled.into_iter().map(|pulled| pulled.accelerations));
        of_bend
    }
}

impl LinearisedEquation for Trajectory {
    fn vjp(
        &self,
        _readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: Option<&mut DMatrix<f32>>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        let parameter_cotangents = parameter_cotangents.as_mut_slice();
        // Of no use, they are by-products of the others.
        let mut unused = DMatrix::zeros(0, 0);
        let input_cotangents = input_cotangents.unwrap_or_else(|| {
            unused = DMatrix::zeros(self.device.count, cotangents.ncols());
            &mut unused
        });
        self.pull_back(cotangents, input_cotangents, parameter_cotangents);
    }
}

impl Drop for Trajectory {
    fn drop(&mut self) {
        let used = self.blocks.drain(..).flat_map(|block| [block.sines, block.slopes]);
        self.device.buffers.give_back(used);
    }
}

/// The cotangents of a block of shots.
struct Pulled {
    /// Of the initial angles.
    angles: Vec<f32>,
    /// Of the accelerations, slot by slot as the sines.
    accelerations: Vec<f32>,
    /// Of η; zero unless the angles were saved.
    bend: f32,
}

impl Saved {
    /// Pulls the cotangents of the final angles back through the integration.
    fn pull_back(&self, device: &Oscillators, matrix: &[f32], mut of_angle: Vec<f32>) -> Pulled {
        let (h, size, steps) = (device.step, self.size, device.steps);
        let (rows, couplings) = (device.rows, &matrix[..device.rows * device.count]);
        let mut of_velocity = vec![0.0; size];
        let mut pulled = vec![0.0; size];
        let mut pulls = device.buffers.buffer(self.sines.len());
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
                    let saved = slopes.iter().zip(&self.angles[first..first + size]);
                    let along = saved.zip(&pulled).map(|((slope, angle), of)| slope * angle * of);
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
        Pulled { angles: of_angle, accelerations: pulls, bend: of_bend }
    }
}
