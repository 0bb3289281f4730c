//! The share of the drive that the wires of a tile take, to first order in their resistance.

use nalgebra::DMatrix;

/// D / r of the tile's equation, the share of the drive that the wires take, for conductances `[outputs × inputs]`.
pub(super) fn taken(conductance: &DMatrix<f32>) -> DMatrix<f32> {
    let (outputs, inputs) = conductance.shape();
    let mut taken = DMatrix::zeros(outputs, inputs);
    for i in 0..inputs {
        // Along the row's wire: Σ_p G_p (min(o, p) + 1) grows from o − 1 to o by Σ_{p ≥ o} G_p.
        let mut behind: f32 = conductance.column(i).sum();
        let mut sum = 0.0;
        for o in 0..outputs {
            sum += behind;
            behind -= conductance[(o, i)];
            taken[(o, i)] += sum;
        }
    }
    for o in 0..outputs {
        // Along the column's wire to its foot, likewise from the last row up.
        let mut above: f32 = conductance.row(o).sum();
        let mut sum = 0.0;
        for i in (0..inputs).rev() {
            sum += above;
            above -= conductance[(o, i)];
            taken[(o, i)] += sum;
        }
    }
    taken
}
