//! The oscillators as a simulated device.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::block::{Block, Save};
use super::{Oscillators, SHOTS_A_TASK};
use crate::elementary::MULTIPLY_ADDS;
use crate::mechanical::nystrom::slots;
use crate::{Constant, DeviceError, Differentiable, Interface, LinearisedEquation, PhysicalLayer};

/// Shots one worker integrates at a time in a large batch: a multiple of the six columns that the product's
/// kernel takes at once.
const LARGE_TASK: usize = 30;

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
        // A shot's bits do not depend on the others of its task; large batches are faster in larger tasks.
        let is_large = inputs.ncols() >= 4 * LARGE_TASK * rayon::current_num_threads();
        let task = if is_large { LARGE_TASK } else { SHOTS_A_TASK } * self.count;
        inputs
            .as_slice()
            .par_chunks(task)
            .zip(outputs.as_mut_slice().par_chunks_mut(task))
            .for_each(|(inputs, outputs)| {
                let mut block = Block::new(self, &matrix, inputs, Save::Nothing);
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
        self.differentiate(inputs, parameters, cotangents, input_cotangents, of, Save::Slopes)?;
        Ok(())
    }

    fn linearise(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
    ) -> Option<Box<dyn LinearisedEquation>> {
        Some(Box::new(self.trajectory(inputs, parameters, Save::Slopes)))
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
            self.differentiate(inputs, parameters, cotangents, &mut unused, &mut of, Save::Angles)?;
        // An error of J_ij is also one of J_ji, so its cotangent is twice that of C_ij.
        let of_error = pairs(self.count).map(|(row, column)| 2.0 * of[column * self.count + row]);
        Ok(std::iter::once(of_bend).chain(of_error).collect())
    }

    fn multiply_adds(&self) -> u64 {
        let count = self.count as u64;
        slots(self.steps) as u64 * count * (count + MULTIPLY_ADDS)
    }
}

/// Places above the diagonal, column by column.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(|column| (0..column).map(move |row| (row, column)))
}
