//! The adjoint of the tile's noiseless equation.

use nalgebra::{DMatrix, DVector};

use super::wires::taken;
use super::{Crossbar, Tile};
use crate::{Constant, DeviceError, Differentiable, LinearisedEquation, matrix_shots};

/// The equation at drives of one setting.
struct Point {
    tile: Tile,
    matrix: DMatrix<f32>,
    /// Before the converters.
    readings: DMatrix<f32>,
}

impl Crossbar {
    fn point(&self, inputs: &DMatrix<f32>, parameters: &DVector<f32>) -> Point {
        let tile = self.tile(parameters, &self.cells, 1.0);
        let matrix = self.matrix(&tile);
        let mut readings = DMatrix::zeros(matrix.nrows(), inputs.ncols());
        matrix_shots::read(&matrix, inputs, &mut readings, |_| ());
        Point { tile, matrix, readings }
    }

    /// The cotangent of M⁺ − M⁻; that of the drives is written to `of_inputs`.
    fn pull_back(
        &self,
        point: &Point,
        inputs: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        of_inputs: Option<&mut DMatrix<f32>>,
    ) -> DMatrix<f32> {
        let readings = (&point.readings, self.saturation());
        matrix_shots::pull_back(&point.matrix, inputs, readings, cotangents, of_inputs)
            * self.gain()
    }

    /// The cotangents of G⁺ and G⁻ from that of M⁺ − M⁻.
    fn of_conductance(&self, point: &Point, of_matrix: &DMatrix<f32>) -> [DMatrix<f32>; 2] {
        [(0, 1.0f32), (1, -1.0)].map(|(place, sign)| {
            let (g, of_effective) = (&point.tile.conductance[place], of_matrix * sign);
            if self.wire == 0.0 {
                return of_effective;
            }
            let of_drop = of_effective.component_mul(g) * -1.0;
            // The drop is symmetric in the conductances, so it is its own adjoint.
            of_effective.component_mul(&taken(g).map(|d| 1.0 - self.wire * d))
                + taken(&of_drop) * self.wire
        })
    }

    /// The cotangent of r from that of M⁺ − M⁻.
    fn of_wire(&self, point: &Point, of_matrix: &DMatrix<f32>) -> f32 {
        let [plus, minus] = &point.tile.conductance;
        let drop = |g: &DMatrix<f32>| of_matrix.component_mul(g).dot(&taken(g));
        drop(minus) - drop(plus)
    }

    /// Writes the cotangents of the weights.
    fn write_of_weights(&self, of_conductance: &[DMatrix<f32>; 2], of_weights: &mut DVector<f32>) {
        let (half, [plus, minus]) = (self.range().1, of_conductance);
        let of = plus.component_mul(&self.cells[0]) - minus.component_mul(&self.cells[1]);
        of_weights.iter_mut().zip(&of).for_each(|(weight, of)| *weight = half * of);
    }
}

/// A tile linearised at drives of one setting.
struct LinearTile {
    crossbar: Crossbar,
    point: Point,
    inputs: DMatrix<f32>,
}

impl LinearisedEquation for LinearTile {
    fn vjp(
        &self,
        _readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: Option<&mut DMatrix<f32>>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        let Self { crossbar, point, inputs } = self;
        let of_matrix = crossbar.pull_back(point, inputs, cotangents, input_cotangents);
        let of_conductance = crossbar.of_conductance(point, &of_matrix);
        crossbar.write_of_weights(&of_conductance, parameter_cotangents);
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
        let matrix = self.matrix(&self.tile(parameters, &self.cells, 1.0));
        matrix_shots::read(&matrix, inputs, outputs, |readings| self.saturation().clamp(readings));
        Ok(())
    }

    fn linearise(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
    ) -> Option<Box<dyn LinearisedEquation>> {
        let (crossbar, point) = (self.clone(), self.point(inputs, parameters));
        Some(Box::new(LinearTile { crossbar, point, inputs: inputs.clone() }))
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
        let point = self.point(inputs, parameters);
        let of_matrix = self.pull_back(&point, inputs, cotangents, Some(input_cotangents));
        self.write_of_weights(&self.of_conductance(&point, &of_matrix), parameter_cotangents);
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
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        let point = self.point(inputs, parameters);
        let of_matrix = self.pull_back(&point, inputs, cotangents, None);
        let (middle, half) = self.range();
        let [plus, minus] = self.of_conductance(&point, &of_matrix);
        let of_cell = |half: f32, of_conductance: DMatrix<f32>| -> Vec<f32> {
            let programmed = parameters.iter().map(|weight| middle + half * weight);
            of_conductance.iter().zip(programmed).map(|(of, g)| of * g).collect()
        };
        let mut constants = of_cell(half, plus);
        constants.extend(of_cell(-half, minus));
        constants.push(self.of_wire(&point, &of_matrix));
        Ok(constants)
    }

    fn multiply_adds(&self) -> u64 {
        self.interface.inputs.len() as u64 * self.interface.outputs.len() as u64
    }
}
