//! Rows of groups, and rows of their shots.

use burn::tensor::Tensor;

/// `[groups, width]` → `[shots, width]`: repeats each group's row for every shot of its run.
pub(crate) fn spread(rows: Tensor<2>, shots: usize) -> Tensor<2> {
    let [groups, width] = rows.dims();
    if groups == 1 || groups == shots {
        return rows;
    }
    let run = shots / groups;
    rows.reshape([groups, 1, width]).expand([groups, run, width]).reshape([shots, width])
}

/// `[shots, width]` → `[groups, width]`: sums each group's run; the adjoint of [`spread`].
pub(crate) fn gather(rows: Tensor<2>, groups: usize) -> Tensor<2> {
    let [shots, width] = rows.dims();
    if groups == shots {
        return rows;
    }
    rows.reshape([groups, shots / groups, width]).sum_dim(1).reshape([groups, width])
}
