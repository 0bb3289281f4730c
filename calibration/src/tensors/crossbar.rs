//! A memristive crossbar tile in tensors.
//!
//! The equation is that of [`Crossbar`]. Matrices are transposed here, `[inputs, outputs]` for each setting, as weights are
//! ordered and as rows of shots multiply them. The wires' drop is D = r (A G + G B) with A_op = min(o, p) + 1 and
//! B_qi = n_in − max(i, q), which are symmetric.

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Bool, Device, Tensor};
use nalgebra::DMatrix;
use twinprop_devices::Programming;
use twinprop_devices::electronic::{Crossbar, CrossbarConfig, CrossbarConstants};

use super::draws::Draws;
use super::equation::{TensorEquation, join, split};
use super::saturation::Saturation;
use crate::bridge::{from_vec, to_vec};
use crate::twin::Linearised;

/// A crossbar tile on a backend.
pub struct CrossbarTensors {
    equation: Tile,
    config: CrossbarConfig,
    programmed: Mutex<Option<Programmed>>,
}

/// The equation of a tile with the cells `cells`.
#[derive(Clone)]
struct Tile {
    /// ε of G⁺ and G⁻, `[1, inputs, outputs]` each.
    cells: [Tensor<3>; 2],
    /// `None` without.
    wires: Option<Wires>,
    /// m and g.
    range: (f32, f32),
    /// k.
    gain: f32,
    saturation: Saturation,
}

/// How wires add up the currents of a tile's cells.
#[derive(Clone)]
struct Wires {
    /// r.
    resistance: f32,
    /// A, `[1, outputs, outputs]`.
    along_rows: Tensor<3>,
    /// B, `[1, inputs, inputs]`.
    along_columns: Tensor<3>,
}

impl Wires {
    /// D / r of the conductances `[settings, inputs, outputs]`; it is its own adjoint.
    fn taken(&self, conductance: Tensor<3>) -> Tensor<3> {
        conductance.clone().matmul(self.along_rows.clone())
            + self.along_columns.clone().matmul(conductance)
    }

    /// 1 − D, the share of the drive that is left.
    fn left(&self, conductance: Tensor<3>) -> Tensor<3> {
        self.taken(conductance) * -self.resistance + 1.0
    }
}

/// The tile after its last programming.
#[derive(Clone)]
struct Programmed {
    number: u64,
    at_shot: u64,
    /// The weights, `[1, inputs · outputs]`.
    weights: Tensor<2>,
    /// With this programming's noise.
    tile: Tile,
}

/// G⁺ and G⁻, and M⁺ and M⁻, `[settings, inputs, outputs]` each.
struct Matrices {
    conductance: [Tensor<3>; 2],
    effective: [Tensor<3>; 2],
}

impl CrossbarTensors {
    /// `crossbar`, unused, on `backend`.
    #[must_use]
    pub fn new(crossbar: &Crossbar, backend: &Device) -> Self {
        let CrossbarConstants { cells, wire, range, gain, config } = crossbar.as_built();
        let (inputs, outputs) = (config.inputs, config.outputs);
        let of_cells = |cells: &DMatrix<f32>| {
            let rows = from_vec(cells.as_slice().to_vec(), [inputs, outputs], backend);
            rows.unsqueeze::<3>()
        };
        let square = |count: usize, value: &dyn Fn(usize, usize) -> usize| {
            let places = (0..count).flat_map(|row| (0..count).map(move |column| (row, column)));
            let values = places.map(|(row, column)| value(row, column) as f32).collect();
            from_vec(values, [count, count], backend).unsqueeze::<3>()
        };
        let wires = (wire != 0.0).then(|| Wires {
            resistance: wire,
            along_rows: square(outputs, &|o, p| o.min(p) + 1),
            along_columns: square(inputs, &|i, q| inputs - i.max(q)),
        });
        let cells = [of_cells(&cells[0]), of_cells(&cells[1])];
        let saturation = Saturation::at(config.full_scale as f32);
        let equation = Tile { cells, wires, range, gain, saturation };
        Self { equation, config: config.clone(), programmed: Mutex::new(None) }
    }

    /// The tile programmed to `weights` `[1, inputs · outputs]` after `at_shot` shots.
    fn programmed_to(
        &self,
        number: u64,
        at_shot: u64,
        weights: Tensor<2>,
        draws: &Draws,
    ) -> Programmed {
        let noise = self.config.programming_noise as f32;
        let [_, inputs, outputs] = self.equation.cells[0].dims();
        let mut tile = self.equation.clone();
        if noise > 0.0 {
            let (cells, backend) = (inputs * outputs, weights.device());
            let drawn = draws.at(number).normal("programming", [1, 2 * cells], &backend);
            for (place, factor) in tile.cells.iter_mut().enumerate() {
                let normal = drawn.clone().narrow(1, place * cells, cells);
                let normal = normal.reshape([1, inputs, outputs]);
                *factor = factor.clone() * (normal * noise + 1.0).clamp_min(0.0);
            }
        }
        Programmed { number, at_shot, weights, tile }
    }

    /// The readings of the shots `x` of one setting, with noise; the cells are programmed if the weights are others.
    fn measure_at(&self, x: Tensor<2>, theta: Tensor<2>, draws: &Draws) -> Tensor<2> {
        let mut last = self.programmed.lock().unwrap_or_else(PoisonError::into_inner);
        let keeps = |programmed: &Programmed| -> bool {
            programmed.weights.clone().equal(theta.clone()).all().into_scalar()
        };
        let programmed = match last.take() {
            Some(programmed) if keeps(&programmed) => programmed,
            before => {
                let number = before.map_or(0, |before| before.number + 1);
                self.programmed_to(number, draws.first(), theta.clone(), draws)
            }
        };
        let age = (draws.first() - programmed.at_shot) as f64 * self.config.seconds_per_shot;
        let fade = (1.0 + age / self.config.drift_onset_seconds).powf(-self.config.drift_exponent);
        let tile = &programmed.tile;
        let matrices = tile.matrices(theta, fade as f32);
        let mut readings = x.clone().matmul(tile.matrix(&matrices).squeeze_dim::<2>(0));
        if self.config.read_noise > 0.0 {
            // The variances of independent cells add up.
            let [plus, minus] = matrices.effective;
            let variance = x.square().matmul((plus.square() + minus.square()).squeeze_dim::<2>(0));
            let strength = self.config.read_noise as f32 * tile.gain;
            let normal = draws.normal("cell noise", readings.dims(), &readings.device());
            readings = readings + variance.sqrt() * normal * strength;
        }
        let readings = tile.saturation.clamp(readings);
        *last = Some(programmed);
        readings
    }
}

impl Tile {
    /// The conductances of the weights `theta` `[settings, inputs · outputs]`, and what the wires leave of them.
    fn matrices(&self, theta: Tensor<2>, fade: f32) -> Matrices {
        let [_, inputs, outputs] = self.cells[0].dims();
        let settings = theta.dims()[0];
        let weights = theta.reshape([settings, inputs, outputs]);
        let (middle, half) = self.range;
        let conductance = [0, 1].map(|place| {
            let half = if place == 0 { half } else { -half };
            (weights.clone() * (half * fade) + middle * fade) * self.cells[place].clone()
        });
        let effective = conductance.clone().map(|g| match &self.wires {
            Some(wires) => g.clone() * wires.left(g),
            None => g,
        });
        Matrices { conductance, effective }
    }

    /// k (M⁺ − M⁻), transposed.
    fn matrix(&self, matrices: &Matrices) -> Tensor<3> {
        let [plus, minus] = matrices.effective.clone();
        (plus - minus) * self.gain
    }

    /// The cotangents `[settings, inputs · outputs]` of the weights from those of M⁺ − M⁻.
    fn of_weights(&self, matrices: &Matrices, of_matrix: Tensor<3>) -> Tensor<2> {
        let of_cell = |place: usize, sign: f32| {
            let of_effective = of_matrix.clone() * sign;
            let of_conductance = match &self.wires {
                Some(wires) => {
                    let g = matrices.conductance[place].clone();
                    let of_drop = wires.taken(of_effective.clone() * g.clone()) * wires.resistance;
                    of_effective * wires.left(g) - of_drop
                }
                None => of_effective,
            };
            of_conductance * self.cells[place].clone() * sign
        };
        let of = (of_cell(0, 1.0) + of_cell(1, -1.0)) * self.range.1;
        of.flatten(1, 2)
    }
}

impl TensorEquation for CrossbarTensors {
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let (tile, settings) = (&self.equation, theta.dims()[0]);
        let matrix = tile.matrix(&tile.matrices(theta, 1.0));
        tile.saturation.clamp(join(split(x, settings).matmul(matrix)))
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let (tile, settings) = (self.equation.clone(), theta.dims()[0]);
        let matrices = tile.matrices(theta, 1.0);
        let (x, matrix) = (split(x, settings), tile.matrix(&matrices));
        let saturated = tile.saturation.saturates(x.clone().matmul(matrix.clone()));
        Box::new(Point { tile, matrices, matrix, x, saturated })
    }

    fn measure(&self, x: Tensor<2>, theta: Tensor<2>, draws: &Draws) -> Tensor<2> {
        let [settings, rows] = [theta.dims()[0], x.dims()[0]];
        let shots = rows / settings;
        // The cells are programmed to one setting after the other.
        let readings = (0..settings).map(|place| {
            let (x, theta) = (x.clone().narrow(0, place * shots, shots), theta.clone());
            let draws = draws.after(place * shots);
            self.measure_at(x, theta.narrow(0, place, 1), &draws)
        });
        Tensor::cat(readings.collect(), 0)
    }

    fn programming(&self) -> Option<Programming> {
        let last = self.programmed.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|last| Programming {
            number: last.number,
            at_shot: last.at_shot,
            parameters: to_vec(last.weights.clone()),
        })
    }

    fn program(&self, programming: &Programming, draws: &Draws) {
        let Programming { number, at_shot, parameters } = programming;
        let backend = self.equation.cells[0].device();
        let weights = from_vec(parameters.clone(), [1, parameters.len()], &backend);
        let programmed = self.programmed_to(*number, *at_shot, weights, draws);
        *self.programmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(programmed);
    }
}

/// A tile linearised at drives of some settings.
struct Point {
    tile: Tile,
    matrices: Matrices,
    /// k (M⁺ − M⁻), transposed.
    matrix: Tensor<3>,
    /// `[settings, shots, inputs]`.
    x: Tensor<3>,
    /// Whether a reading is beyond full scale, `[settings, shots, outputs]`.
    saturated: Tensor<3, Bool>,
}

impl Point {
    /// The cotangents of the readings before the converters, `[settings, shots, outputs]`.
    fn open(&self, dy: Tensor<2>) -> Tensor<3> {
        split(dy, self.x.dims()[0]).mask_fill(self.saturated.clone(), 0.0)
    }

    fn of_weights(&self, open: Tensor<3>) -> Tensor<2> {
        let of_matrix = self.x.clone().swap_dims(1, 2).matmul(open) * self.tile.gain;
        self.tile.of_weights(&self.matrices, of_matrix)
    }
}

impl Linearised for Point {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let open = self.open(dy);
        let of_drives = open.clone().matmul(self.matrix.clone().swap_dims(1, 2));
        (join(of_drives), self.of_weights(open))
    }

    fn parameter_vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> Tensor<2> {
        self.of_weights(self.open(dy))
    }
}
