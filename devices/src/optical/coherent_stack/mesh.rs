//! A mesh at one setting: its transfer matrix, and the gradient of its phases and splitters from that of the matrix.

use rayon::prelude::*;
use rustfft::num_complex::Complex32;

use super::interferometer::Interferometer;
use crate::elementary::{sin_cos, vectorised};
use crate::optical::rows::Rows;

/// Inputs that a worker follows through the mesh at a time: two 512-bit vectors, so that all modes stay in the cache.
const WIDTH: usize = 32;

/// A mesh at one setting: M = U diag(e^{iγ}).
pub(super) struct Mesh {
    modes: usize,
    interferometers: Vec<Interferometer>,
    /// e^{iγ}.
    starts: Vec<Complex32>,
    /// M, some columns at a time.
    blocks: Vec<Rows>,
    /// M as a real matrix between fields with the real parts above the imaginary ones, `[2 N × 2 N]`, and its transpose.
    pub matrix: Vec<f32>,
    pub transpose: Vec<f32>,
}

/// Derivatives of a function by the quantities of a mesh.
pub(super) struct MeshSlopes {
    /// By θ and φ of each interferometer, column by column.
    pub theta: Vec<f32>,
    pub phi: Vec<f32>,
    /// By δ_l and δ_r of each.
    pub splitters: Vec<f32>,
    /// By γ of each mode.
    pub gamma: Vec<f32>,
}

/// First modes of the interferometers of column `column`.
pub(super) fn places(modes: usize, column: usize) -> impl DoubleEndedIterator<Item = usize> {
    (column % 2..modes.saturating_sub(1)).step_by(2)
}

/// Modes without an interferometer in column `column`.
fn alone(modes: usize, column: usize) -> impl Iterator<Item = usize> {
    let first = (column % 2 == 1).then_some(0);
    let last = ((modes - column % 2) % 2 == 1).then_some(modes - 1);
    first.into_iter().chain(last)
}

impl Mesh {
    /// A mesh of `interferometers`, column by column, and of the phases `gamma`.
    pub fn new(interferometers: Vec<Interferometer>, gamma: &[f32]) -> Self {
        let modes = gamma.len();
        let starts: Vec<_> = gamma
            .iter()
            .map(|&gamma| {
                let (sine, cosine) = sin_cos(gamma);
                Complex32::new(cosine, sine)
            })
            .collect();
        let mut mesh = Self {
            modes,
            interferometers,
            starts,
            blocks: Vec::new(),
            matrix: Vec::new(),
            transpose: Vec::new(),
        };
        mesh.blocks =
            (0..modes.div_ceil(WIDTH)).into_par_iter().map(|block| mesh.block(block)).collect();
        mesh.pack();
        mesh
    }

    /// Columns of M from `block` · [`WIDTH`].
    fn block(&self, block: usize) -> Rows {
        let first = block * WIDTH;
        let mut rows = Rows::zeros(self.modes, WIDTH.min(self.modes - first));
        for place in 0..rows.width {
            let (row, start) = (first + place, self.starts[first + place]);
            rows.real[row * rows.width + place] = start.re;
            rows.imaginary[row * rows.width + place] = start.im;
        }
        vectorised(
            #[inline(always)]
            || {
                let mut next = self.interferometers.iter();
                for column in 0..self.modes {
                    for (place, one) in places(self.modes, column).zip(&mut next) {
                        rows.mix(place, &one.matrix());
                    }
                    alone(self.modes, column).for_each(|mode| rows.turn(mode, false));
                }
            },
        );
        rows
    }

    fn pack(&mut self) {
        let n = self.modes;
        (self.matrix, self.transpose) = (vec![0.0; 4 * n * n], vec![0.0; 4 * n * n]);
        for (block, rows) in self.blocks.iter().enumerate() {
            let first = block * WIDTH;
            for row in 0..n {
                let place = row * rows.width..(row + 1) * rows.width;
                let (real, imaginary) = (&rows.real[place.clone()], &rows.imaginary[place]);
                for (column, (&re, &im)) in (first..).zip(real.iter().zip(imaginary)) {
                    self.matrix[column * 2 * n + row] = re;
                    self.matrix[column * 2 * n + n + row] = im;
                    self.matrix[(n + column) * 2 * n + row] = -im;
                    self.matrix[(n + column) * 2 * n + n + row] = re;
                    self.transpose[row * 2 * n + column] = re;
                    self.transpose[row * 2 * n + n + column] = -im;
                    self.transpose[(n + row) * 2 * n + column] = im;
                    self.transpose[(n + row) * 2 * n + n + column] = re;
                }
            }
        }
    }

    /// The derivatives of a function whose cotangent of M is in `of_matrix` `[2 N × 2 N]`, column by column: the products
    /// of the fields' cotangents behind the mesh and of the fields before it, summed over the shots, both with the real
    /// parts above the imaginary ones.
    pub fn slopes(&self, of_matrix: &[f32]) -> MeshSlopes {
        let blocks: Vec<MeshSlopes> = (0..self.blocks.len())
            .into_par_iter()
            .map(|block| self.slopes_of_block(block, of_matrix))
            .collect();
        let mut blocks = blocks.into_iter();
        let Some(mut sum) = blocks.next() else { unreachable!("a mesh has a mode") };
        for block in blocks {
            add(&mut sum.theta, &block.theta);
            add(&mut sum.phi, &block.phi);
            add(&mut sum.splitters, &block.splitters);
            sum.gamma.extend(block.gamma);
        }
        sum
    }

    /// The same for some columns of M; γ's of those columns.
    fn slopes_of_block(&self, block: usize, of_matrix: &[f32]) -> MeshSlopes {
        let (n, first) = (self.modes, block * WIDTH);
        // Behind the last column; they go back together.
        let mut fields = self.blocks[block].clone();
        let mut pull = Rows::zeros(n, fields.width);
        for place in 0..fields.width {
            let column = |column: usize| of_matrix[column * 2 * n..][..2 * n].split_at(n);
            let of_real = column(first + place);
            let of_imaginary = column(n + first + place);
            for row in 0..n {
                let at = row * fields.width + place;
                pull.real[at] = of_real.0[row] + of_imaginary.1[row];
                pull.imaginary[at] = of_real.1[row] - of_imaginary.0[row];
            }
        }
        let count = self.interferometers.len();
        let mut slopes = MeshSlopes {
            theta: vec![0.0; count],
            phi: vec![0.0; count],
            splitters: vec![0.0; 2 * count],
            gamma: Vec::with_capacity(fields.width),
        };
        vectorised(
            #[inline(always)]
            || {
                let mut number = count;
                for column in (0..n).rev() {
                    for place in places(n, column).rev() {
                        number -= 1;
                        let one = &self.interferometers[number];
                        let turns =
                            pull.pull_back(&mut fields, place, &one.inverse(), &one.adjoint());
                        let along = one.slopes(&turns);
                        slopes.theta[number] = along.theta;
                        slopes.phi[number] = along.phi;
                        slopes.splitters[2 * number] = along.left;
                        slopes.splitters[2 * number + 1] = along.right;
                    }
                    for mode in alone(n, column) {
                        fields.turn(mode, true);
                        pull.turn(mode, true);
                    }
                }
            },
        );
        slopes.gamma.extend((0..fields.width).map(|place| {
            let (row, start) = (first + place, self.starts[first + place]);
            let at = row * fields.width + place;
            // Along i e^{iγ}.
            pull.imaginary[at] * start.re - pull.real[at] * start.im
        }));
        slopes
    }
}

fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
