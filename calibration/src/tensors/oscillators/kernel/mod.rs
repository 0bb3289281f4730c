//! The motion of a batch in one kernel: a cube follows some shots through all stages, and its units share the oscillators.
//!
//! A cube reads the whole matrix J at every stage, so that many oscillators take longer than with products of all
//! shots at once.

mod adjoint;
mod motion;
mod shared;

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use cubecl::prelude::*;

use self::adjoint::follow_back;
use self::motion::follow;
use crate::tensors::kernels::{contiguous, cubes, empty, tensor};
use crate::tensors::nystrom::Nystrom;

/// Most oscillators: beyond, the stages are products of all shots.
const MOST: usize = 1024;
/// Most units of a cube, which every backend allows.
const MOST_UNITS: usize = 256;
/// As many cubes as keep a large GPU busy; with more shots, a cube follows several.
const CUBES: usize = 128;
/// Most shots of a cube.
const MOST_SHOTS: usize = 4;

/// The matrices of the accelerations: J `[N, N]`, 1 + r and e `[1, N]`.
pub(super) struct Matrices<'a> {
    pub symmetric: &'a Tensor<2>,
    pub restoring: &'a Tensor<2>,
    pub drives: &'a Tensor<2>,
}

/// How cubes share the shots, and units the oscillators.
struct Cubes {
    units: usize,
    /// Oscillators of a unit.
    each: usize,
    /// Shots of a cube.
    group: usize,
    count: CubeCount,
}

impl Cubes {
    fn new(shots: usize, count: usize) -> Self {
        let units = count.next_multiple_of(32).min(MOST_UNITS);
        let group = shots.div_ceil(CUBES).next_power_of_two().min(MOST_SHOTS);
        let each = count.div_ceil(units);
        Self { units, each, group, count: cubes(shots.div_ceil(group)) }
    }
}

/// Final angles of `angles` `[shots, N]` and, if they are `kept`, sin((1 + η) Q) and its derivative by Q at every stage,
/// `[stages · shots, N]`; `None` where the backend runs no kernels, or for too many oscillators.
pub(super) fn integrate(
    nystrom: Nystrom,
    matrices: &Matrices,
    bend: f64,
    angles: &Tensor<2>,
    are_kept: bool,
) -> Option<[Tensor<2>; 3]> {
    let [shots, count] = angles.dims();
    if count > MOST || nystrom.steps == 0 {
        return None;
    }
    let angles = contiguous(angles)?;
    let [symmetric, restoring, drives] =
        [matrices.symmetric, matrices.restoring, matrices.drives].map(contiguous);
    let (symmetric, restoring, drives) = (symmetric?, restoring?, drives?);
    let last = empty(&angles, [shots, count]);
    let rows = if are_kept { nystrom.slots() * shots } else { 1 };
    let [sines, slopes] = [empty(&angles, [rows, count]), empty(&angles, [rows, count])];
    if shots > 0 {
        let Cubes { units, each, group, count: cubes } = Cubes::new(shots, count);
        follow::launch(
            &angles.client.clone(),
            cubes,
            CubeDim::new_1d(units as u32),
            angles.into_buffer_arg(),
            symmetric.into_buffer_arg(),
            restoring.into_buffer_arg(),
            drives.into_buffer_arg(),
            last.clone().into_buffer_arg(),
            sines.clone().into_buffer_arg(),
            slopes.clone().into_buffer_arg(),
            shots as u32,
            count as u32,
            nystrom.steps as u32,
            nystrom.step as f32,
            bend as f32,
            units,
            each,
            group,
            are_kept,
        );
    }
    Some([last, sines, slopes].map(tensor))
}

/// Cotangents of the initial angles `[shots, N]` and of the accelerations of every stage `[stages · shots, N]` from those
/// of the final angles and the `slopes` of [`integrate`].
pub(super) fn pull_back(
    nystrom: Nystrom,
    matrices: &Matrices,
    slopes: &Tensor<2>,
    of_last: &Tensor<2>,
) -> Option<[Tensor<2>; 2]> {
    let [shots, count] = of_last.dims();
    if count > MOST || nystrom.steps == 0 {
        return None;
    }
    let (of_last, slopes) = (contiguous(of_last)?, contiguous(slopes)?);
    let (symmetric, restoring) = (contiguous(matrices.symmetric)?, contiguous(matrices.restoring)?);
    let of_first = empty(&of_last, [shots, count]);
    let pulls = empty(&of_last, [nystrom.slots() * shots, count]);
    if shots > 0 {
        let Cubes { units, each, group, count: cubes } = Cubes::new(shots, count);
        follow_back::launch(
            &of_last.client.clone(),
            cubes,
            CubeDim::new_1d(units as u32),
            of_last.into_buffer_arg(),
            symmetric.into_buffer_arg(),
            restoring.into_buffer_arg(),
            slopes.into_buffer_arg(),
            of_first.clone().into_buffer_arg(),
            pulls.clone().into_buffer_arg(),
            shots as u32,
            count as u32,
            nystrom.steps as u32,
            nystrom.slots() as u32,
            nystrom.step as f32,
            units,
            each,
            group,
        );
    }
    Some([of_first, pulls].map(tensor))
}
