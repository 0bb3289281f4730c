//! Combinations of a square matrix with its transpose.

use rayon::prelude::*;

use crate::lanes::LANES;

/// A square matrix of `count` columns, `rows` apart.
pub(super) struct Square<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub count: usize,
}

impl Square<'_> {
    /// Fills `result` (columns `rows` apart) with `combine(m_ij, m_ji, i, j)`, tile by tile, so that
    /// both elements are in the cache; `finish` gets each complete column and its place.
    pub fn combine_with_transposed(
        &self,
        result: &mut [f32],
        rows: usize,
        combine: impl Fn(f32, f32, usize, usize) -> f32 + Sync,
        finish: impl Fn(&mut [f32], usize) + Sync,
    ) {
        let column_of = |column: usize| &self.values[column * self.rows..][..self.count];
        result.par_chunks_mut(LANES * rows).enumerate().for_each(|(tile, columns)| {
            let first_column = tile * LANES;
            for first_row in (0..self.count).step_by(LANES) {
                let height = LANES.min(self.count - first_row);
                // The transposed tile on the other side of the diagonal.
                let mut transposed = [[0.0; LANES]; LANES];
                for row in 0..height {
                    let across = &column_of(first_row + row)[first_column..];
                    for (turned, value) in transposed.iter_mut().zip(across) {
                        turned[row] = *value;
                    }
                }
                for ((place, result), transposed) in
                    columns.chunks_exact_mut(rows).enumerate().zip(&transposed)
                {
                    let column = first_column + place;
                    let down = &column_of(column)[first_row..first_row + height];
                    let result = &mut result[first_row..first_row + height];
                    for (row, ((result, direct), transposed)) in
                        result.iter_mut().zip(down).zip(transposed).enumerate()
                    {
                        *result = combine(*direct, *transposed, first_row + row, column);
                    }
                }
            }
            for (place, column) in columns.chunks_exact_mut(rows).enumerate() {
                finish(&mut column[..self.count], first_column + place);
            }
        });
    }
}
