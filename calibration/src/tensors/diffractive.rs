//! A diffractive network in tensors.
//!
//! The equation is that of [`Diffractive`]. A field is `[settings, shots, n, 2, n]`: row by row the real parts, then
//! the imaginary ones. Fourier transforms of all rows are one product with a real `[2 n, 2 n]` matrix, and so are those
//! of all columns after a swap of rows and columns. The product of a field and complex factors is
//!
//! ```text
//! z t = z ∘ Re t + (Im z, Re z) ∘ (−Im t, Im t)
//! ```
//!
//! The modulator's and the camera's squares are products with matrices of zeros and ones on both sides. In the adjoint
//! the gaps are crossed in reverse order, with conjugated factors.

use std::f64::consts::TAU;
use std::ops::Range;

use burn::tensor::{Device, Tensor};
use twinprop_devices::optical::{Diffractive, DiffractiveConstants};

use super::equation::{TensorEquation, join, split};
use super::saturation::Saturation;
use crate::bridge::from_vec;
use crate::twin::Linearised;

/// A diffractive network on a backend.
#[derive(Clone)]
pub struct DiffractiveTensors {
    /// n and K.
    side: usize,
    layers: usize,
    saturation: Saturation,
    /// κ.
    crosstalk: f32,
    /// δ, `[1, K, n, n]`.
    errors: Tensor<4>,
    /// Rows of points to rows of spectra, `[2 n, 2 n]`.
    fourier: Tensor<2>,
    /// H / n² of each gap, for rows of frequencies down.
    transfers: Vec<Factors>,
    modulator: Squares,
    camera: Squares,
    /// s g and the inverse number of pixels of a bin, `[1, 1, c²]`.
    gains: Tensor<3>,
}

/// Complex factors t of a field.
#[derive(Clone)]
struct Factors {
    /// Re t, `[settings, 1, n, 1, n]`.
    real: Tensor<5>,
    /// −Im t, Im t, `[settings, 1, n, 2, n]`.
    crossed: Tensor<5>,
}

impl Factors {
    fn new(real: Tensor<5>, imaginary: Tensor<5>) -> Self {
        Self { real, crossed: Tensor::cat(vec![imaginary.clone().neg(), imaginary], 3) }
    }

    fn times(&self, field: Tensor<5>) -> Tensor<5> {
        field.clone() * self.real.clone() + field.flip([3]) * self.crossed.clone()
    }

    /// `field` times their conjugates.
    fn back(&self, field: Tensor<5>) -> Tensor<5> {
        field.clone() * self.real.clone() - field.flip([3]) * self.crossed.clone()
    }
}

/// A square of blocks of pixels: whether each block has each row of the grid, `[1, 1, blocks, n]`.
#[derive(Clone)]
struct Squares(Tensor<4>);

impl Squares {
    /// Of the rows of each block in a grid of `side` pixels.
    fn new(blocks: &[Range<usize>], side: usize, backend: &Device) -> Self {
        let has = |rows: &Range<usize>, row: usize| f32::from(u8::from(rows.contains(&row)));
        let values = blocks.iter().flat_map(|rows| (0..side).map(move |row| has(rows, row)));
        Self(from_vec(values.collect(), [blocks.len(), side], backend).unsqueeze())
    }

    /// Values of the blocks `[settings, shots, blocks²]` on the pixels, `[settings, shots, n, 1, n]`.
    fn spread(&self, values: Tensor<3>) -> Tensor<5> {
        let [_, _, blocks, side] = self.0.dims();
        let [settings, shots, _] = values.dims();
        let values: Tensor<4> = values.reshape([settings, shots, blocks, blocks]);
        let pixels = self.0.clone().swap_dims(2, 3).matmul(values).matmul(self.0.clone());
        pixels.reshape([settings, shots, side, 1, side])
    }

    /// The adjoint: sums over the pixels of each block.
    fn gather(&self, pixels: Tensor<5>) -> Tensor<3> {
        let [_, _, blocks, side] = self.0.dims();
        let [settings, shots, ..] = pixels.dims();
        let pixels: Tensor<4> = pixels.reshape([settings, shots, side, side]);
        let sums = self.0.clone().matmul(pixels).matmul(self.0.clone().swap_dims(2, 3));
        sums.reshape([settings, shots, blocks * blocks])
    }
}

impl DiffractiveTensors {
    /// `network` on `backend`.
    #[must_use]
    pub fn new(network: &Diffractive, backend: &Device) -> Self {
        let constants = network.as_built();
        let DiffractiveConstants { side, layers, gain, ref camera, .. } = constants;
        let square = |values: Vec<f32>| -> Tensor<5> {
            from_vec(values, [side, side], backend).reshape([1, 1, side, 1, side])
        };
        let transfers = constants.transfers.into_iter();
        let share = gain / camera[0].len().pow(2) as f32;
        let gains: Vec<f32> = constants.sensitivity.iter().map(|s| share * s).collect();
        let bins = gains.len();
        Self {
            side,
            layers,
            saturation: Saturation::at(constants.full_scale),
            crosstalk: constants.crosstalk,
            errors: from_vec(constants.phases.to_vec(), [layers * side, side], backend)
                .reshape([1, layers, side, side]),
            fourier: from_vec(fourier(&constants.frequencies), [2 * side, 2 * side], backend),
            transfers: transfers
                .map(|[real, imaginary]| Factors::new(square(real), square(imaginary)))
                .collect(),
            modulator: Squares::new(&constants.modulator, side, backend),
            camera: Squares::new(camera, side, backend),
            gains: from_vec(gains, [1, bins], backend).unsqueeze(),
        }
    }

    /// e^{iφ} of each mask at the phases `theta`.
    fn masks(&self, theta: Tensor<2>) -> Vec<Factors> {
        let (settings, side) = (theta.dims()[0], self.side);
        let theta: Tensor<4> = theta.reshape([settings, self.layers, side, side]);
        let phases = self.leaked(theta) + self.errors.clone();
        let mask = |layer: usize| {
            let phases: Tensor<5> =
                phases.clone().narrow(1, layer, 1).reshape([settings, 1, side, 1, side]);
            Factors::new(phases.clone().cos(), phases.sin())
        };
        (0..self.layers).map(mask).collect()
    }

    /// θ + κ L θ of masks `[settings, K, n, n]`; symmetric, so its own adjoint.
    fn leaked(&self, theta: Tensor<4>) -> Tensor<4> {
        let length = self.side - 1;
        let mut leaked = theta.clone();
        for along in [2, 3] {
            let part = |start: usize| theta.clone().narrow(along, start, length);
            let steps = (part(1) - part(0)) * self.crosstalk;
            let edge = steps.clone().narrow(along, 0, 1).zeros_like();
            let next = Tensor::cat(vec![steps.clone(), edge.clone()], along);
            leaked = leaked + next - Tensor::cat(vec![edge, steps], along);
        }
        leaked
    }

    /// The field behind the modulator at the drives `[settings, shots, m²]`.
    fn launched(&self, drives: Tensor<3>) -> Tensor<5> {
        let real = self.modulator.spread(drives);
        let dark = real.zeros_like();
        Tensor::cat(vec![real, dark], 3)
    }

    /// `field` with the rows of values times `matrix`.
    fn by_row(field: Tensor<5>, matrix: Tensor<2>) -> Tensor<5> {
        let [settings, shots, rows, _, side] = field.dims();
        let lines: Tensor<2> = field.reshape([settings * shots * rows, 2 * side]);
        lines.matmul(matrix).reshape([settings, shots, rows, 2, side])
    }

    /// `field` behind the gap with the factors that `turn` applies to its spectrum.
    fn cross(&self, field: Tensor<5>, turn: impl FnOnce(Tensor<5>) -> Tensor<5>) -> Tensor<5> {
        let (forward, back) = (&self.fourier, self.fourier.clone().transpose());
        let across = Self::by_row(field, forward.clone()).swap_dims(2, 4);
        let turned = turn(Self::by_row(across, forward.clone()));
        let across = Self::by_row(turned, back.clone()).swap_dims(2, 4);
        Self::by_row(across, back)
    }

    /// The field at the camera; `arrive` gets those that arrive at each mask.
    fn travel(
        &self,
        drives: Tensor<3>,
        masks: &[Factors],
        mut arrive: impl FnMut(Tensor<5>),
    ) -> Tensor<5> {
        let mut field = self.launched(drives);
        for (gap, transfer) in self.transfers.iter().enumerate() {
            field = self.cross(field, |spectrum| transfer.times(spectrum));
            if let Some(mask) = masks.get(gap) {
                arrive(field.clone());
                field = mask.times(field);
            }
        }
        field
    }

    /// Readings of `field` that do not saturate, `[settings, shots, c²]`.
    fn open(&self, field: Tensor<5>) -> Tensor<3> {
        self.camera.gather(field.square().sum_dim(3)) * self.gains.clone()
    }
}

/// The matrix from the points of a line to its spectrum, both as real parts, then imaginary ones.
fn fourier(frequencies: &[f64]) -> Vec<f32> {
    let side = frequencies.len();
    let value = |row: usize, column: usize| {
        let cycles = frequencies[column % side] * (row % side) as f64 / side as f64;
        let (sine, cosine) = (TAU * cycles.fract()).sin_cos();
        // e^{−i…}: its real part, its imaginary part to the imaginary values, and from them.
        match (row < side, column < side) {
            (true, false) => -sine as f32,
            (false, true) => sine as f32,
            _ => cosine as f32,
        }
    };
    (0..2 * side).flat_map(|row| (0..2 * side).map(move |column| value(row, column))).collect()
}

impl TensorEquation for DiffractiveTensors {
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let drives = split(x, theta.dims()[0]);
        let field = self.travel(drives, &self.masks(theta), |_| ());
        join(self.saturation.clamp(self.open(field)))
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let drives = split(x, theta.dims()[0]);
        let masks = self.masks(theta);
        let mut arriving = Vec::with_capacity(self.layers);
        let field = self.travel(drives, &masks, |field| arriving.push(field));
        Box::new(DiffractivePass { network: self.clone(), masks, arriving, field })
    }
}

/// Light through a network, with what the adjoint needs.
struct DiffractivePass {
    network: DiffractiveTensors,
    masks: Vec<Factors>,
    /// The fields that arrive at each mask.
    arriving: Vec<Tensor<5>>,
    /// The field at the camera.
    field: Tensor<5>,
}

impl Linearised for DiffractivePass {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let network = &self.network;
        let (side, layers) = (network.side, network.layers);
        let settings = self.field.dims()[0];
        let readings = network.open(self.field.clone());
        let of_readings = network.saturation.pull_back(readings, split(dy, settings));
        let open = of_readings * network.gains.clone();
        let mut pull = self.field.clone() * network.camera.spread(open * 2.0);
        let mut of_phases: Vec<Tensor<4>> = Vec::with_capacity(layers);
        for (gap, transfer) in network.transfers.iter().enumerate().rev() {
            pull = network.cross(pull, |spectrum| transfer.back(spectrum));
            let Some(mask) = gap.checked_sub(1) else { break };
            pull = self.masks[mask].back(pull);
            // Im u* g of the field u and its cotangent g.
            let crossed = self.arriving[mask].clone() * pull.clone().flip([3]);
            let of = crossed.clone().narrow(3, 0, 1) - crossed.narrow(3, 1, 1);
            of_phases.push(of.sum_dim(1).reshape([settings, 1, side, side]));
        }
        of_phases.reverse();
        let of_theta = network.leaked(Tensor::cat(of_phases, 1));
        let dx = network.modulator.gather(pull.narrow(3, 0, 1));
        (join(dx), of_theta.reshape([settings, layers * side * side]))
    }
}
