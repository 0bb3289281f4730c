//! Light through a stack, and the adjoint of its readings, for some shots at a time.

use std::borrow::Cow;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::config::StackReadout;
use super::mesh::{Mesh, MeshSlopes};
use super::stack::{CoherentStack, OfMeshes};
use crate::LinearisedEquation;
use crate::elementary::vectorised;
use crate::matrix_product::{add_outer, multiply};

/// Shots that a worker plays at a time: their fields stay in the cache.
const SHOTS_A_TASK: usize = 64;

/// Smallest root of summed squared powers by which readings are divided.
pub(super) const FLOOR: f32 = 1e-12;

/// The fields of shots behind every mesh, with what the adjoint needs.
pub(super) struct Pass {
    stack: CoherentStack,
    meshes: Vec<Mesh>,
    /// The drives, where they are not the amplitudes.
    drives: Option<DMatrix<f32>>,
    /// x, in-phase parts first, `[2 N × shots]`.
    inputs: DMatrix<f32>,
    /// z, `[2 N × shots of the task]` of one mesh after the other, task by task.
    fields: Vec<f32>,
}

/// What the cotangents of readings say about a stack.
pub(super) struct Pulled {
    pub meshes: Vec<MeshSlopes>,
    /// Cotangents of the detectors' sensitivities.
    pub sensitivity: Vec<f32>,
}

/// Sums over the shots of a task.
struct Sums {
    /// Cotangent of each mesh's matrix, `[2 N × 2 N]`, one after the other.
    matrices: Vec<f32>,
    sensitivity: Vec<f32>,
}

/// The readings of `stack`.
pub(super) fn respond(
    stack: &CoherentStack,
    drives: &DMatrix<f32>,
    parameters: &DVector<f32>,
    outputs: &mut DMatrix<f32>,
) {
    let inputs = stack.modulators.amplitudes(drives);
    let (meshes, modes) = (stack.at(parameters.as_slice()), stack.modes);
    let tasks = inputs.as_slice().par_chunks(2 * modes * SHOTS_A_TASK);
    let tasks = tasks.zip(outputs.as_mut_slice().par_chunks_mut(modes * SHOTS_A_TASK));
    let scratch = || [(); 2].map(|()| vec![0.0; 2 * modes * SHOTS_A_TASK]);
    tasks.for_each_init(scratch, |[field, next], (inputs, outputs)| {
        let (field, next) = (&mut field[..inputs.len()], &mut next[..inputs.len()]);
        let (mut field, mut next) = (field, next);
        for (number, mesh) in meshes.iter().enumerate() {
            if number == 0 {
                multiply(field, &mesh.matrix, inputs, 2 * modes, 2 * modes);
            } else {
                stack.activate(field);
                multiply(next, &mesh.matrix, field, 2 * modes, 2 * modes);
                std::mem::swap(&mut field, &mut next);
            }
        }
        stack.read(field, outputs);
    });
}

impl CoherentStack {
    /// Replaces `fields`, `[2 N × shots]`, by their activations.
    fn activate(&self, fields: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                for field in fields.chunks_exact_mut(2 * self.modes) {
                    let (real, imaginary) = field.split_at_mut(self.modes);
                    self.activation.apply(real, imaginary);
                }
            },
        );
    }

    /// The `powers` of `field` as the detectors see them.
    #[inline(always)]
    fn detect(&self, field: &[f32], powers: &mut [f32]) {
        let (real, imaginary) = field.split_at(self.modes);
        let parts = real.iter().zip(imaginary).zip(&self.sensitivity);
        for (power, ((re, im), sensitivity)) in powers.iter_mut().zip(parts) {
            *power = sensitivity * (re * re + im * im);
        }
    }

    /// The detectors' readings `[N × shots]` of `fields`.
    fn read(&self, fields: &[f32], readings: &mut [f32]) {
        let modes = self.modes;
        vectorised(
            #[inline(always)]
            || {
                let shots = fields.chunks_exact(2 * modes).zip(readings.chunks_exact_mut(modes));
                for (field, readings) in shots {
                    self.detect(field, readings);
                    match self.readout {
                        StackReadout::AutoRange => {
                            let per_unit = 1.0 / norm(readings);
                            readings.iter_mut().for_each(|reading| *reading *= per_unit);
                        }
                        StackReadout::FullScale(power) => {
                            let power = power as f32;
                            readings.iter_mut().for_each(|reading| *reading = reading.min(power));
                        }
                    }
                }
            },
        );
    }

    /// Cotangents of `field` from those of its readings, `of`, and of the sensitivities, which are added to
    /// `of_sensitivity`; `powers` is scratch, of a value a mode.
    #[inline(always)]
    fn read_back(
        &self,
        field: &[f32],
        readings: &[f32],
        of: &[f32],
        of_field: &mut [f32],
        of_sensitivity: &mut [f32],
        powers: &mut [f32],
    ) {
        let modes = self.modes;
        let (real, imaginary) = field.split_at(modes);
        self.detect(field, powers);
        let (scale, along, full) = match self.readout {
            StackReadout::AutoRange => {
                // d(I/‖I‖) = (dI − y (y · dI)) / ‖I‖: symmetric, at the readings y. Weaker light is divided by the
                // floor, which is constant.
                let norm = norm(powers);
                let share = if norm > FLOOR { 1.0 } else { 0.0 };
                let along: f32 = readings.iter().zip(of).map(|(y, of)| y * of).sum();
                (1.0 / norm, share * along, f32::INFINITY)
            }
            StackReadout::FullScale(power) => (1.0, 0.0, power as f32),
        };
        let (of_real, of_imaginary) = of_field.split_at_mut(modes);
        for mode in 0..modes {
            let (re, im, sensitivity) = (real[mode], imaginary[mode], self.sensitivity[mode]);
            let power = re * re + im * im;
            // The derivative of a saturated detector is zero.
            let open = if sensitivity * power <= full { scale } else { 0.0 };
            let of_power = (of[mode] - along * readings[mode]) * open;
            of_sensitivity[mode] += of_power * power;
            of_real[mode] = 2.0 * sensitivity * of_power * re;
            of_imaginary[mode] = 2.0 * sensitivity * of_power * im;
        }
    }
}

/// ‖powers‖₂, not below the floor.
#[inline(always)]
fn norm(powers: &[f32]) -> f32 {
    powers.iter().map(|power| power * power).sum::<f32>().sqrt().max(FLOOR)
}

impl Pass {
    /// The fields of `stack` at `drives` and `parameters`, which fit its interface.
    pub fn new(stack: &CoherentStack, drives: &DMatrix<f32>, parameters: &DVector<f32>) -> Self {
        let (drives, inputs) = match stack.modulators.amplitudes(drives) {
            Cow::Borrowed(inputs) => (None, inputs.clone()),
            Cow::Owned(inputs) => (Some(drives.clone()), inputs),
        };
        let (meshes, modes) = (stack.at(parameters.as_slice()), stack.modes);
        let mut fields = vec![0.0; meshes.len() * inputs.len()];
        let tasks = inputs.as_slice().par_chunks(2 * modes * SHOTS_A_TASK);
        let tasks = tasks.zip(fields.par_chunks_mut(meshes.len() * 2 * modes * SHOTS_A_TASK));
        tasks.for_each_init(
            || vec![0.0; 2 * modes * SHOTS_A_TASK],
            |active, (inputs, fields)| {
                let active = &mut active[..inputs.len()];
                active.copy_from_slice(inputs);
                let behind = fields.chunks_exact_mut(inputs.len());
                for (number, (mesh, field)) in meshes.iter().zip(behind).enumerate() {
                    multiply(field, &mesh.matrix, active, 2 * modes, 2 * modes);
                    if number + 1 < meshes.len() {
                        active.copy_from_slice(field);
                        stack.activate(active);
                    }
                }
            },
        );
        Self { stack: stack.clone(), meshes, drives, inputs, fields }
    }

    /// The fields behind each mesh, `[2 N × shots]`.
    pub fn fields(&self) -> Vec<DMatrix<f32>> {
        let (rows, shots) = self.inputs.shape();
        let mut all = vec![Vec::with_capacity(rows * shots); self.meshes.len()];
        for task in self.fields.chunks(self.meshes.len() * rows * SHOTS_A_TASK) {
            for (all, field) in
                all.iter_mut().zip(task.chunks_exact(task.len() / self.meshes.len()))
            {
                all.extend_from_slice(field);
            }
        }
        all.into_iter().map(|field| DMatrix::from_vec(rows, shots, field)).collect()
    }

    /// The stack's readings, `[N × shots]`.
    pub fn readings(&self) -> DMatrix<f32> {
        let (modes, count) = (self.stack.modes, self.meshes.len());
        let mut readings = DMatrix::zeros(modes, self.inputs.ncols());
        let tasks = readings.as_mut_slice().chunks_mut(modes * SHOTS_A_TASK);
        for (fields, readings) in self.fields.chunks(count * 2 * modes * SHOTS_A_TASK).zip(tasks) {
            self.stack.read(&fields[fields.len() / count * (count - 1)..], readings);
        }
        readings
    }

    /// What the cotangents `[N × shots]` of the readings say, where the device gave `readings`; those of the amplitudes
    /// x are written to `input_cotangents`.
    pub fn pull_back(
        &self,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: Option<&mut DMatrix<f32>>,
    ) -> Pulled {
        let Self { stack, meshes, inputs, fields, .. } = self;
        let (modes, count) = (stack.modes, meshes.len());
        let mut unused;
        let of_inputs = match input_cotangents {
            Some(of_inputs) => of_inputs,
            None => {
                unused = DMatrix::zeros(inputs.nrows(), inputs.ncols());
                &mut unused
            }
        };
        let rows = 2 * modes;
        let tasks = fields.par_chunks(count * rows * SHOTS_A_TASK).enumerate();
        let tasks = tasks.zip(inputs.as_slice().par_chunks(rows * SHOTS_A_TASK));
        let tasks = tasks.zip(of_inputs.as_mut_slice().par_chunks_mut(rows * SHOTS_A_TASK));
        let scratch = || [(); 2].map(|()| vec![0.0; rows * SHOTS_A_TASK]);
        let sums: Vec<Sums> = tasks
            .map_init(scratch, |[pull, active], (((task, fields), inputs), of_inputs)| {
                let shots = inputs.len() / rows;
                let place = task * SHOTS_A_TASK * modes..(task * SHOTS_A_TASK + shots) * modes;
                let readings = &readings.as_slice()[place.clone()];
                let of = &cotangents.as_slice()[place];
                let (pull, active) = (&mut pull[..inputs.len()], &mut active[..inputs.len()]);
                self.pull_back_task(fields, inputs, readings, of, of_inputs, [pull, active])
            })
            .collect();
        let mut sums = sums.into_iter();
        let mut sum = sums.next().unwrap_or_else(|| Sums::zeros(modes, count));
        for other in sums {
            sum.add(&other);
        }
        let of_matrices = sum.matrices.par_chunks(rows * rows);
        let meshes = meshes.par_iter().zip(of_matrices).map(|(mesh, of)| mesh.slopes(of));
        Pulled { meshes: meshes.collect(), sensitivity: sum.sensitivity }
    }

    /// Cotangents of the constants, in their order.
    pub fn constants(&self, readings: &DMatrix<f32>, cotangents: &DMatrix<f32>) -> Vec<f32> {
        let pulled = self.pull_back(readings, cotangents, None);
        let mut constants = OfMeshes::new(&self.stack, &pulled.meshes).constants;
        constants.extend(pulled.sensitivity);
        constants
    }

    fn pull_back_task(
        &self,
        fields: &[f32],
        inputs: &[f32],
        readings: &[f32],
        of: &[f32],
        of_inputs: &mut [f32],
        [pull, active]: [&mut [f32]; 2],
    ) -> Sums {
        let Self { stack, meshes, .. } = self;
        let (modes, rows) = (stack.modes, 2 * stack.modes);
        let mut sums = Sums::zeros(modes, meshes.len());
        let behind: Vec<&[f32]> = fields.chunks_exact(inputs.len()).collect();
        let Some(last) = behind.last() else { return sums };
        let mut powers = vec![0.0; modes];
        vectorised(
            #[inline(always)]
            || {
                let shots = last.chunks_exact(rows).zip(pull.chunks_exact_mut(rows));
                for (shot, (field, pull)) in shots.enumerate() {
                    let place = shot * modes..(shot + 1) * modes;
                    let of_sensitivity = &mut sums.sensitivity;
                    stack.read_back(
                        field,
                        &readings[place.clone()],
                        &of[place],
                        pull,
                        of_sensitivity,
                        &mut powers,
                    );
                }
            },
        );
        let of_matrices = sums.matrices.chunks_exact_mut(rows * rows);
        for (number, (mesh, of_matrix)) in meshes.iter().zip(of_matrices).enumerate().rev() {
            if number == 0 {
                add_outer(of_matrix, pull, inputs, rows, rows);
                multiply(of_inputs, &mesh.transpose, pull, rows, rows);
                break;
            }
            let before = behind[number - 1];
            active.copy_from_slice(before);
            stack.activate(active);
            add_outer(of_matrix, pull, active, rows, rows);
            multiply(active, &mesh.transpose, pull, rows, rows);
            pull.copy_from_slice(active);
            vectorised(
                #[inline(always)]
                || {
                    let shots = before.chunks_exact(rows).zip(pull.chunks_exact_mut(rows));
                    for (field, pull) in shots {
                        let (of_real, of_imaginary) = pull.split_at_mut(modes);
                        let at = field.split_at(modes);
                        stack.activation.pull_back(at, (of_real, of_imaginary));
                    }
                },
            );
        }
        sums
    }
}

impl Sums {
    fn zeros(modes: usize, meshes: usize) -> Self {
        Self { matrices: vec![0.0; meshes * 4 * modes * modes], sensitivity: vec![0.0; modes] }
    }

    fn add(&mut self, other: &Self) {
        let pairs = self.matrices.iter_mut().zip(&other.matrices);
        pairs.for_each(|(sum, value)| *sum += value);
        let pairs = self.sensitivity.iter_mut().zip(&other.sensitivity);
        pairs.for_each(|(sum, value)| *sum += value);
    }
}

impl LinearisedEquation for Pass {
    fn vjp(
        &self,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        mut input_cotangents: Option<&mut DMatrix<f32>>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        let pulled = self.pull_back(readings, cotangents, input_cotangents.as_deref_mut());
        if let (Some(drives), Some(input_cotangents)) = (&self.drives, input_cotangents) {
            self.stack.modulators.pull_back(drives, input_cotangents);
        }
        let of_meshes = OfMeshes::new(&self.stack, &pulled.meshes);
        parameter_cotangents.as_mut_slice().copy_from_slice(&of_meshes.parameters);
    }
}
