//! The adjoint of the tile's noiseless equation.

use nalgebra::{DMatrix, DVector};

use super::Crossbar;
use super::wires::taken;
use crate::{Constant, DeviceError, Differentiable};

/// Cotangents of the drives, of G⁺ and G⁻, and of r.
struct Adjoint {
    of_inputs: DMatrix<f32>,
    of_conductance: [DMatrix<f32>; 2],
    of_wire: f32,
}

impl Crossbar {
    fn differentiate(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Adjoint, DeviceError> {
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        let tile = self.tile(parameters, &self.cells, 1.0);
        let mut readings = DMatrix::zeros(cotangents.nrows(), cotangents.ncols());
        self.read(&tile, inputs, &mut readings);
        let saturation = self.saturation();
        let open = cotangents.zip_map(&readings, |cotangent, reading| {
            saturation.pull_back(reading, self.gain() * cotangent)
        });
        let of_inputs = (&tile.effective[0] - &tile.effective[1]).tr_mul(&open);
        let of_matrix = &open * inputs.transpose();
        let mut of_wire = 0.0;
        let of_conductance = [1.0f32, -1.0].map(|sign| {
            let g = &tile.conductance[usize::from(sign < 0.0)];
            let of_effective = &of_matrix * sign;
            if self.wire == 0.0 {
                of_wire -= of_effective.component_mul(g).dot(&taken(g));
                return of_effective;
            }
            let taken_here = taken(g);
            let of_drop = of_effective.component_mul(g) * -1.0;
            of_wire += of_drop.dot(&taken_here);
            // The drop is symmetric in the conductances, so it is its own adjoint.
            of_effective.component_mul(&taken_here.map(|d| 1.0 - self.wire * d))
                + taken(&of_drop) * self.wire
        });
        Ok(Adjoint { of_inputs, of_conductance, of_wire })
    }
}

impl Differentiable for Crossbar {
    fn respond(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        self.read(&self.tile(parameters, &self.cells, 1.0), inputs, outputs);
        self.saturation().clamp(outputs.iter_mut());
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
        let adjoint = self.differentiate(inputs, parameters, cotangents)?;
        input_cotangents.copy_from(&adjoint.of_inputs);
        let half = self.range().1;
        let [plus, minus] = &adjoint.of_conductance;
        let of_weights = plus.component_mul(&self.cells[0]) - minus.component_mul(&self.cells[1]);
        for (cotangent, of_weight) in parameter_cotangents.iter_mut().zip(&of_weights) {
            *cotangent = half * of_weight;
        }
        Ok(())
    }

    fn constants(&self) -> Vec<Constant> {
        let [plus, minus] = &self.cells;
        Constant::bank("cell of G+", plus.as_slice())
            .chain(Constant::bank("cell of G-", minus.as_slice()))
            .chain([Constant { name: "wire resistance".to_owned(), value: self.wire }])
            .collect()
    }

    fn set_constants(&mut self, values: &[f32]) {
        let count = self.cells[0].len();
        let (plus, rest) = values.split_at(count);
        let (minus, wire) = rest.split_at(count);
        self.cells[0].as_mut_slice().copy_from_slice(plus);
        self.cells[1].as_mut_slice().copy_from_slice(minus);
        self.wire = wire[0];
    }

    fn constant_cotangents(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        let adjoint = self.differentiate(inputs, parameters, cotangents)?;
        let (middle, half) = self.range();
        let [plus, minus] = adjoint.of_conductance;
        let of_cell = |half: f32, of_conductance: DMatrix<f32>| -> Vec<f32> {
            let programmed = parameters.iter().map(|weight| middle + half * weight);
            of_conductance.iter().zip(programmed).map(|(of, g)| of * g).collect()
        };
        let mut constants = of_cell(half, plus);
        constants.extend(of_cell(-half, minus));
        constants.push(adjoint.of_wire);
        Ok(constants)
    }

    fn multiply_adds(&self) -> u64 {
        self.interface.inputs.len() as u64 * self.interface.outputs.len() as u64
    }
}
