//! Shots of a device whose readings are a matrix times its drives, and their adjoint, on all cores.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::elementary::vectorised;
use crate::matrix_product::{add_outer, multiply, multiply_columns};
use crate::saturation::Saturation;

/// Multiply-adds of a task: some tens of microseconds.
const MULTIPLY_ADDS_A_TASK: usize = 1 << 20;

/// Shots of a task for small matrices: some microseconds, so that two cores share a thousand shots.
const SHOTS_OF_SMALL: usize = 512;

/// Most tasks, each of which has sums of the size of the matrix.
const MOST_TASKS: usize = 64;

/// Shots of a task for `matrix` and `shots` shots: they depend on these sizes alone, so that sums over tasks have the same
/// bits on any number of threads.
fn shots_a_task(matrix: &DMatrix<f32>, shots: usize) -> usize {
    let worth = (MULTIPLY_ADDS_A_TASK / matrix.len().max(1)).clamp(16, SHOTS_OF_SMALL);
    worth.max(shots.div_ceil(MOST_TASKS))
}

/// y = M x for every shot, with M `[outputs × inputs]`; `finish` gets the readings of each task.
pub(crate) fn read(
    matrix: &DMatrix<f32>,
    inputs: &DMatrix<f32>,
    outputs: &mut DMatrix<f32>,
    finish: impl Fn(&mut [f32]) + Sync,
) {
    let ((rows, columns), shots) = (matrix.shape(), shots_a_task(matrix, inputs.ncols()));
    let readings = outputs.as_mut_slice().par_chunks_mut(shots * rows);
    readings.zip(inputs.as_slice().par_chunks(shots * columns)).for_each(|(readings, drives)| {
        multiply(readings, matrix.as_slice(), drives, rows, columns);
        finish(readings);
    });
}

/// The cotangent of M from those of the readings, `cotangents`, which are zero where `readings` saturate; that of the
/// drives is written to `of_inputs`.
pub(crate) fn pull_back(
    matrix: &DMatrix<f32>,
    inputs: &DMatrix<f32>,
    (readings, saturation): (&DMatrix<f32>, Saturation),
    cotangents: &DMatrix<f32>,
    of_inputs: Option<&mut DMatrix<f32>>,
) -> DMatrix<f32> {
    let ((rows, columns), shots) = (matrix.shape(), shots_a_task(matrix, inputs.ncols()));
    let pull_back =
        |drives: &[f32], readings: &[f32], cotangents: &[f32], of: Option<&mut [f32]>| {
            let mut open = cotangents.to_vec();
            vectorised(
                #[inline(always)]
                || {
                    let open = open.iter_mut().zip(readings);
                    open.for_each(|(of, &reading)| *of = saturation.pull_back(reading, *of));
                },
            );
            if let Some(of_drives) = of {
                let transposed = (matrix.as_slice(), (rows, 1));
                multiply_columns((of_drives, columns), transposed, (&open, rows), columns);
            }
            let mut of_matrix = vec![0.0; rows * columns];
            add_outer(&mut of_matrix, &open, drives, rows, columns);
            of_matrix
        };
    let tasks = inputs
        .as_slice()
        .par_chunks(shots * columns)
        .zip(readings.as_slice().par_chunks(shots * rows))
        .zip(cotangents.as_slice().par_chunks(shots * rows));
    let parts: Vec<Vec<f32>> = match of_inputs {
        Some(of_inputs) => tasks
            .zip(of_inputs.as_mut_slice().par_chunks_mut(shots * columns))
            .map(|(((x, y), dy), dx)| pull_back(x, y, dy, Some(dx)))
            .collect(),
        None => tasks.map(|((x, y), dy)| pull_back(x, y, dy, None)).collect(),
    };
    let mut of_matrix = DMatrix::zeros(rows, columns);
    for part in parts {
        of_matrix.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    of_matrix
}
