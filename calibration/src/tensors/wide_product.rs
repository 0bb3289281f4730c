//! The product of a short and a wide matrix on a GPU.
//!
//! Tiles of such a product's result keep a fraction of a GPU busy with long sums. Here the sums are cut into parts,
//! and each value of the wide matrix is read once for [`BLOCK`] rows. On an NVIDIA H200, 32 rows by 8,192 × 8,192 took
//! burn's kernels 1.4 ms, cut into parts as well, and a step of so many oscillators 103 ms; with this one it takes 38.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::kernels::{contiguous, empty, tensor};

/// Rows of the short matrix that a unit sums for, units below one another, and so rows of a cube.
const ROWS: usize = 16;
const UNITS_DOWN: usize = 2;
const BLOCK: usize = ROWS * UNITS_DOWN;
/// Columns of a unit, units beside one another, and so columns of a cube.
const COLUMNS: usize = 4;
const UNITS_ACROSS: usize = 64;
const STRIP: usize = COLUMNS * UNITS_ACROSS;
/// Terms of the sums that are shared at a time.
const TERMS: usize = 32;
/// Where the shared values of the next term are: one further than they take up, so that units that write one row
/// write to different banks.
const STRIDE: usize = BLOCK + 1;
/// As many cubes as keep a large GPU busy.
const CUBES: usize = 512;

/// `rows` `[shots, n]` by `matrix` `[n, n]`, which are on one device; `None` where the device is not a GPU.
pub(super) fn wide_product(rows: &Tensor<2>, matrix: &Tensor<2>) -> Option<Tensor<2>> {
    let [shots, count] = rows.dims();
    let (rows, matrix) = (contiguous(rows)?, contiguous(matrix)?);
    let (strips, blocks) = (count.div_ceil(STRIP), shots.div_ceil(BLOCK));
    let length = count.div_ceil(CUBES.div_ceil(strips * blocks)).next_multiple_of(TERMS);
    let parts = count.div_ceil(length);
    let sums = empty(&rows, [parts, shots * count]);
    sums_of_part::launch(
        &rows.client.clone(),
        CubeCount::Static(strips as u32, parts as u32, blocks as u32),
        CubeDim::new_2d(UNITS_ACROSS as u32, UNITS_DOWN as u32),
        rows.into_buffer_arg(),
        matrix.into_buffer_arg(),
        sums.clone().into_buffer_arg(),
        shots as u32,
        count as u32,
        length as u32,
    );
    Some(tensor::<2>(sums).sum_dim(0).reshape([shots, count]))
}

/// `sums` `[parts, shots, n]`: each part is the sum of `length` terms.
#[cube(launch)]
fn sums_of_part(
    rows: &[f32],
    matrix: &[f32],
    sums: &mut [f32],
    shots: u32,
    count: u32,
    length: u32,
) {
    let shots = shots as usize;
    let count = count as usize;
    let length = length as usize;
    let part = CUBE_POS_Y as usize;
    let first_row = CUBE_POS_Z as usize * BLOCK;
    let first_column = CUBE_POS_X as usize * STRIP + UNIT_POS_X as usize;
    let own_row = UNIT_POS_Y as usize * ROWS;
    let unit = UNIT_POS as usize;

    let mut shared = Shared::<[f32]>::new_slice(TERMS * STRIDE);
    let mut factors = Array::<f32>::new(COLUMNS);
    let mut own = Array::<f32>::new(ROWS * COLUMNS);
    #[unroll]
    for place in 0..ROWS * COLUMNS {
        own[place] = 0.0;
    }
    let until = min(part * length + length, count);
    let mut from = part * length;
    while from < until {
        #[unroll]
        for turn in 0..TERMS * BLOCK / (UNITS_ACROSS * UNITS_DOWN) {
            let place = unit + turn * (UNITS_ACROSS * UNITS_DOWN);
            let term = place % TERMS;
            let row = place / TERMS;
            let mut value = 0.0f32;
            if first_row + row < shots && from + term < until {
                value = rows[(first_row + row) * count + from + term];
            }
            shared[term * STRIDE + row] = value;
        }
        sync_cube();
        for term in 0..TERMS {
            // Beyond the last term and the last column any value will do: the shared values are zero there, or the
            // result is not written.
            let line = min(from + term, count - 1) * count;
            #[unroll]
            for column in 0..COLUMNS {
                factors[column] =
                    matrix[line + min(first_column + column * UNITS_ACROSS, count - 1)];
            }
            #[unroll]
            for row in 0..ROWS {
                let value = shared[term * STRIDE + own_row + row];
                #[unroll]
                for column in 0..COLUMNS {
                    own[row * COLUMNS + column] += value * factors[column];
                }
            }
        }
        sync_cube();
        from += TERMS;
    }
    #[unroll]
    for row in 0..ROWS {
        let shot = first_row + own_row + row;
        #[unroll]
        for column in 0..COLUMNS {
            let place = first_column + column * UNITS_ACROSS;
            if shot < shots && place < count {
                sums[(part * shots + shot) * count + place] = own[row * COLUMNS + column];
            }
        }
    }
}
