//! A mesh of interferometers in tensors.
//!
//! The equation is that of [`MziMesh`]. A shot is a row here: mode after mode, the real and the imaginary part of its
//! amplitude. An interferometer is a real 4 × 4 matrix C on the values of its pair of modes. All pairs of a column, all
//! rows and all settings are computed at once, one column after the other, and in the adjoint in reverse. Shots fewer
//! than the modes pass the columns themselves; else the identity does, which gives the mesh's matrix. C is linear in
//! products of the sines and cosines of its phases,
//!
//! ```text
//! C = Σ_ij u_i v_j D_ij        u = (cos θ, sin θ, 1), v = (cos φ, sin φ, 1)
//! ```
//!
//! where the matrices D depend on its splitters and on ℓ. The last pair of an odd column is the last mode and the
//! first, and an odd number of modes gets one more, which is dark. Pairs without an interferometer have the identity as
//! C.

use std::f64::consts::FRAC_PI_4;

use burn::tensor::{Device, Int, Tensor};
use twinprop_devices::optical::{MeshConstants, MziMesh};

use super::equation::{TensorEquation, join, split};
use super::saturation::Saturation;
use crate::bridge::from_vec;
use crate::twin::Linearised;

/// Values of C, and of u v.
const VALUES: usize = 16;
const PRODUCTS: usize = 9;

/// A mesh on a backend.
#[derive(Clone)]
pub struct MeshTensors {
    /// N, and pairs of modes.
    modes: usize,
    pairs: usize,
    saturation: Saturation,
    /// Which phases are φ and θ of each pair of each column, `[N · pairs · 2]`; pairs without an interferometer have a
    /// zero that stands behind all phases.
    phase_of_pair: Tensor<1, Int>,
    /// Where each phase is among those of the pairs.
    place_of_phase: Tensor<1, Int>,
    /// Errors of the phases, `[1, N, pairs, 2]`.
    errors: Tensor<4>,
    /// 1 on the diagonal, κ beside it, `[1, 1, pairs, pairs]`.
    crosstalk: Tensor<4>,
    /// D, `[N · pairs, 9, 16]`.
    products: Tensor<3>,
    /// From the order of the modes to that of an odd column's pairs, which has the first mode last, and back.
    onward: Tensor<1, Int>,
    backward: Tensor<1, Int>,
    /// Unit amplitude on each mode, `[1, N, values]`.
    identity: Tensor<3>,
    /// s, `[1, 1, N]`.
    sensitivity: Tensor<3>,
}

/// C of the pairs at some settings.
struct Setting {
    /// u and v, `[settings, N, pairs, 3]`.
    by_theta: Tensor<4>,
    by_phi: Tensor<4>,
    /// C, values before in rows and values behind in columns, `[settings, N, pairs, 4, 4]`.
    matrices: Tensor<5>,
}

impl MeshTensors {
    /// `mesh` on `backend`.
    #[must_use]
    pub fn new(mesh: &MziMesh, backend: &Device) -> Self {
        let constants = mesh.as_built();
        let MeshConstants { modes, crosstalk, full_scale, sensitivity, .. } = constants;
        let pairs = modes.div_ceil(2);
        let interferometers = |column: usize| (modes - column % 2) / 2;
        let places: Vec<usize> = (0..modes)
            .flat_map(|column| (0..interferometers(column)).map(move |pair| column * pairs + pair))
            .collect();
        let count = 2 * places.len();
        let mut phase_of_pair = vec![count as i32; 2 * modes * pairs];
        let mut errors = vec![0.0; 2 * modes * pairs];
        let place_of_phase: Vec<i32> = places
            .iter()
            .flat_map(|place| [2 * place, 2 * place + 1])
            .map(|at| at as i32)
            .collect();
        for (phase, &place) in place_of_phase.iter().enumerate() {
            phase_of_pair[place as usize] = phase as i32;
            errors[place as usize] = constants.phases[phase];
        }
        let heat = |place: usize| match (place / pairs).abs_diff(place % pairs) {
            0 => 1.0,
            1 => crosstalk,
            _ => 0.0,
        };
        let heat = (0..pairs * pairs).map(heat).collect();
        let values = 4 * pairs as i32;
        let turned = |by: i32| -> Vec<i32> {
            (0..values).map(|value| (value + by).rem_euclid(values)).collect()
        };
        let order = |order: Vec<i32>| Tensor::from_data(order.as_slice(), backend);
        let mut mesh = Self {
            modes,
            pairs,
            saturation: Saturation::of_powers(full_scale),
            phase_of_pair: order(phase_of_pair),
            place_of_phase: order(place_of_phase),
            errors: from_vec(errors, [modes * pairs, 2], backend).reshape([1, modes, pairs, 2]),
            crosstalk: from_vec(heat, [pairs, pairs], backend).unsqueeze(),
            products: from_vec(
                products(&constants, &places, modes * pairs),
                [modes * pairs, PRODUCTS * VALUES],
                backend,
            )
            .reshape([modes * pairs, PRODUCTS, VALUES]),
            onward: order(turned(2)),
            backward: order(turned(-2)),
            identity: Tensor::<2>::eye(modes, backend).unsqueeze(),
            sensitivity: from_vec(sensitivity.to_vec(), [1, modes], backend).unsqueeze(),
        };
        mesh.identity = mesh.amplitudes(mesh.identity.clone());
        mesh
    }

    /// The pairs at the phases `theta`.
    fn at(&self, theta: Tensor<2>) -> Setting {
        let (settings, columns, pairs) = (theta.dims()[0], self.modes, self.pairs);
        let none = theta.clone().narrow(1, 0, 1).zeros_like();
        let phases = Tensor::cat(vec![theta, none], 1).select(1, self.phase_of_pair.clone());
        let phases = phases.reshape([settings, columns, pairs, 2]);
        let actual = self.crosstalk.clone().matmul(phases) + self.errors.clone();
        let (cosines, sines) = (actual.clone().cos(), actual.sin());
        let one = cosines.clone().narrow(3, 0, 1).ones_like();
        let turn = |which: usize| {
            let part = |of: &Tensor<4>| of.clone().narrow(3, which, 1);
            Tensor::cat(vec![part(&cosines), part(&sines), one.clone()], 3)
        };
        let (by_phi, by_theta) = (turn(0), turn(1));
        let rows: Tensor<5> = by_theta.clone().reshape([settings, columns, pairs, 3, 1]);
        let both = rows * by_phi.clone().reshape([settings, columns, pairs, 1, 3]);
        let both: Tensor<3> = both.reshape([settings, columns * pairs, PRODUCTS]);
        let matrices = both.swap_dims(0, 1).matmul(self.products.clone()).swap_dims(0, 1);
        let matrices = matrices.reshape([settings, columns, pairs, 4, 4]);
        Setting { by_theta, by_phi, matrices }
    }

    /// The real amplitudes `[settings, rows, N]` as values of all pairs, `[settings, rows, 4 pairs]`.
    fn amplitudes(&self, real: Tensor<3>) -> Tensor<3> {
        let [settings, rows, modes] = real.dims();
        let real: Tensor<4> = real.reshape([settings, rows, modes, 1]);
        let both = Tensor::cat(vec![real.clone(), real.zeros_like()], 3);
        self.padded(both.reshape([settings, rows, 2 * modes]))
    }

    /// `field` `[settings, rows, 2 N]` with a dark mode where the number of modes is odd.
    fn padded(&self, field: Tensor<3>) -> Tensor<3> {
        if self.modes.is_multiple_of(2) {
            return field;
        }
        let dark = field.clone().narrow(2, 0, 2).zeros_like();
        Tensor::cat(vec![field, dark], 2)
    }

    /// `field` in the order of the pairs of `column`.
    fn paired(&self, column: usize, field: Tensor<3>) -> Tensor<3> {
        if column.is_multiple_of(2) { field } else { field.select(2, self.onward.clone()) }
    }

    /// `field`, in the order of the pairs of `column`, in that of the modes.
    fn in_order(&self, column: usize, field: Tensor<3>) -> Tensor<3> {
        if column.is_multiple_of(2) { field } else { field.select(2, self.backward.clone()) }
    }

    /// The field behind the mesh, `[settings, rows, 2 N]`, of `field` before it; `entered` gets what enters each
    /// column, in the order of its pairs.
    fn cross(
        &self,
        setting: &Setting,
        mut field: Tensor<3>,
        mut entered: impl FnMut(Tensor<3>),
    ) -> Tensor<3> {
        for column in 0..self.modes {
            let before = self.paired(column, field);
            entered(before.clone());
            let [_, rows, values] = before.dims();
            let matrix = setting.matrices.clone().narrow(1, column, 1);
            let settings = matrix.dims()[0];
            let behind = (self.sources(before) * matrix).sum_dim(3);
            field = self.in_order(column, behind.reshape([settings, rows, values]));
        }
        field.narrow(2, 0, 2 * self.modes)
    }

    /// `field` before a column as factors of C's rows.
    fn sources(&self, field: Tensor<3>) -> Tensor<5> {
        let [settings, rows, _] = field.dims();
        field.reshape([settings, rows, self.pairs, 4, 1])
    }

    /// `field` behind a column as factors of C's columns.
    fn targets(&self, field: Tensor<3>) -> Tensor<5> {
        let [settings, rows, _] = field.dims();
        field.reshape([settings, rows, self.pairs, 1, 4])
    }

    /// What enters the mesh: the drives if they are fewer than the modes, else the identity.
    fn entering(&self, drives: &Tensor<3>) -> Tensor<3> {
        if self.passes(drives) { self.amplitudes(drives.clone()) } else { self.identity.clone() }
    }

    /// Whether the drives pass the mesh themselves.
    fn passes(&self, drives: &Tensor<3>) -> bool {
        drives.dims()[1] < self.modes
    }

    /// s |field|², `[settings, shots, N]`.
    fn powers(&self, field: Tensor<3>) -> Tensor<3> {
        let [settings, shots, _] = field.dims();
        let squares: Tensor<4> = field.square().reshape([settings, shots, self.modes, 2]);
        squares.sum_dim(3).reshape([settings, shots, self.modes]) * self.sensitivity.clone()
    }

    /// Cotangents of the phases from those of C.
    fn pull_back(&self, setting: &Setting, of_matrices: Tensor<5>) -> Tensor<2> {
        let [settings, columns, pairs, ..] = of_matrices.dims();
        let of: Tensor<3> = of_matrices.reshape([settings, columns * pairs, VALUES]);
        let of = of.swap_dims(0, 1).matmul(self.products.clone().swap_dims(1, 2)).swap_dims(0, 1);
        let of: Tensor<5> = of.reshape([settings, columns, pairs, 3, 3]);
        let (by_theta, by_phi) = (setting.by_theta.clone(), setting.by_phi.clone());
        let of_u = of.clone() * by_phi.clone().reshape([settings, columns, pairs, 1, 3]);
        let of_v = of * by_theta.clone().reshape([settings, columns, pairs, 3, 1]);
        let turn = |of: Tensor<5>, at: Tensor<4>| {
            let of: Tensor<4> = of.reshape([settings, columns, pairs, 3]);
            let part = |of: &Tensor<4>, place| of.clone().narrow(3, place, 1);
            part(&of, 1) * part(&at, 0) - part(&of, 0) * part(&at, 1)
        };
        let of_phi = turn(of_v.sum_dim(3), by_phi);
        let of_theta = turn(of_u.sum_dim(4), by_theta);
        // Crosstalk is symmetric, so its own adjoint.
        let of = self.crosstalk.clone().matmul(Tensor::cat(vec![of_phi, of_theta], 3));
        let of: Tensor<2> = of.reshape([settings, columns * pairs * 2]);
        of.select(1, self.place_of_phase.clone())
    }
}

/// D of all pairs; `places` are those with an interferometer among the `count`.
fn products(constants: &MeshConstants<'_>, places: &[usize], count: usize) -> Vec<f32> {
    let mut all = vec![0.0; count * PRODUCTS * VALUES];
    for identity in all.chunks_exact_mut(PRODUCTS * VALUES) {
        let constant = &mut identity[(PRODUCTS - 1) * VALUES..];
        constant.iter_mut().step_by(5).for_each(|diagonal| *diagonal = 1.0);
    }
    for (errors, place) in constants.splitters.chunks_exact(2).zip(places) {
        let pair = &mut all[place * PRODUCTS * VALUES..][..PRODUCTS * VALUES];
        pair.fill(0.0);
        let (s1, c1) = (FRAC_PI_4 + f64::from(errors[0])).sin_cos();
        let (s2, c2) = (FRAC_PI_4 + f64::from(errors[1])).sin_cos();
        // An element of T is (α e^{iθ} + β) i^q, and in its first column times e^{iφ}: α, β and q, row by row.
        let elements = [
            [(c2 * c1, -s2 * s1, 0), (c2 * s1, s2 * c1, 1)],
            [(s2 * c1, c2 * s1, 1), (-s2 * s1, c2 * c1, 0)],
        ];
        for (to, row) in elements.into_iter().enumerate() {
            for (from, (turned, rest, quarters)) in row.into_iter().enumerate() {
                let by_theta = [(0, turned, 0), (1, turned, 1), (2, rest, 0)];
                let by_phi: &[(usize, usize)] =
                    if from == 0 { &[(0, 0), (1, 1)] } else { &[(2, 0)] };
                for (i, factor, more) in by_theta {
                    for &(j, most) in by_phi {
                        let factor = (factor * f64::from(constants.transmission)) as f32;
                        let (re, im) = match (quarters + more + most) % 4 {
                            0 => (factor, 0.0),
                            1 => (0.0, factor),
                            2 => (-factor, 0.0),
                            _ => (0.0, -factor),
                        };
                        let corner = (3 * i + j) * VALUES + 8 * from + 2 * to;
                        pair[corner..corner + 2].copy_from_slice(&[re, im]);
                        pair[corner + 4..corner + 6].copy_from_slice(&[-im, re]);
                    }
                }
            }
        }
    }
    all
}

impl TensorEquation for MeshTensors {
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let drives = split(x, theta.dims()[0]);
        let behind = self.cross(&self.at(theta), self.entering(&drives), |_| ());
        let field = if self.passes(&drives) { behind } else { drives.matmul(behind) };
        join(self.saturation.clamp(self.powers(field)))
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let drives = split(x, theta.dims()[0]);
        let setting = self.at(theta);
        let mut entered = Vec::with_capacity(self.modes);
        let behind = self.cross(&setting, self.entering(&drives), |field| entered.push(field));
        let (field, matrix) = if self.passes(&drives) {
            (behind, None)
        } else {
            (drives.clone().matmul(behind.clone()), Some(behind))
        };
        Box::new(MeshPass { mesh: self.clone(), setting, drives, entered, matrix, field })
    }
}

/// Light through a mesh, with what the adjoint needs.
struct MeshPass {
    mesh: MeshTensors,
    setting: Setting,
    /// `[settings, shots, N]`.
    drives: Tensor<3>,
    /// What enters each column, in the order of its pairs.
    entered: Vec<Tensor<3>>,
    /// Uᵀ, `[settings, N, 2 N]`, where the identity has passed the mesh.
    matrix: Option<Tensor<3>>,
    /// The light at the detectors, `[settings, shots, 2 N]`.
    field: Tensor<3>,
}

impl MeshPass {
    /// Cotangents of the field from those of the readings.
    fn of_field(&self, dy: Tensor<2>) -> Tensor<3> {
        let mesh = &self.mesh;
        let [settings, shots, _] = self.field.dims();
        let readings = mesh.powers(self.field.clone());
        let open = mesh.saturation.pull_back(readings, split(dy, settings));
        let twice: Tensor<4> =
            (open * mesh.sensitivity.clone() * 2.0).reshape([settings, shots, mesh.modes, 1]);
        let field = self.field.clone().reshape([settings, shots, mesh.modes, 2]);
        (field * twice).reshape([settings, shots, 2 * mesh.modes])
    }
}

impl Linearised for MeshPass {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let mesh = &self.mesh;
        let of_field = self.of_field(dy);
        let behind = match &self.matrix {
            Some(_) => self.drives.clone().swap_dims(1, 2).matmul(of_field.clone()),
            None => of_field.clone(),
        };
        let [settings, rows, _] = behind.dims();
        let mut pull = mesh.padded(behind);
        let mut of_matrices: Vec<Tensor<5>> = Vec::with_capacity(mesh.modes);
        for (column, entered) in self.entered.iter().enumerate().rev() {
            let behind = mesh.targets(mesh.paired(column, pull));
            of_matrices.push((mesh.sources(entered.clone()) * behind.clone()).sum_dim(1));
            let matrix = self.setting.matrices.clone().narrow(1, column, 1);
            let before = (behind * matrix).sum_dim(4);
            pull = mesh.in_order(column, before.reshape([settings, rows, 4 * mesh.pairs]));
        }
        of_matrices.reverse();
        let dtheta = mesh.pull_back(&self.setting, Tensor::cat(of_matrices, 1));
        let dx = match &self.matrix {
            Some(matrix) => of_field.matmul(matrix.clone().swap_dims(1, 2)),
            None => {
                // The drives are real.
                let parts: Tensor<4> = pull.reshape([settings, rows, 2 * mesh.pairs, 2]);
                let real = parts.narrow(3, 0, 1).narrow(2, 0, mesh.modes);
                real.reshape([settings, rows, mesh.modes])
            }
        };
        (join(dx), dtheta)
    }
}
