//! Values written row by row, by several cores where there are many.

use std::ops::Range;

use rayon::prelude::*;

/// Fewest values of a task for another core. To bring fewer there takes longer than to compute them here.
const WORTH_A_TASK: usize = 1 << 15;

/// The values that `append` appends for `rows` rows of `width` values, one after the other. They are not zeroed first.
pub(super) fn collect_rows(
    rows: usize,
    width: usize,
    append: impl Fn(usize, &mut Vec<f32>) + Sync,
) -> Vec<f32> {
    joined(in_tasks(rows, width, |rows| {
        let mut values = Vec::with_capacity(rows.len() * width);
        rows.for_each(|row| append(row, &mut values));
        values
    }))
}

/// What `of_task` gives for each task of some of `rows` rows of `width` values, in the order of the rows. The tasks do not
/// depend on the number of threads.
pub(super) fn in_tasks<T: Send>(
    rows: usize,
    width: usize,
    of_task: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let task = WORTH_A_TASK.div_ceil(width.max(1));
    if rows <= task {
        return vec![of_task(0..rows)];
    }
    let firsts = (0..rows.div_ceil(task)).into_par_iter().map(|task_index| task_index * task);
    firsts.map(|first| of_task(first..rows.min(first + task))).collect()
}

/// One task's values after the other's.
pub(super) fn joined(mut parts: Vec<Vec<f32>>) -> Vec<f32> {
    if parts.len() == 1 { parts.remove(0) } else { parts.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_many_tasks_are_in_order() {
        for (rows, width) in [(0, 3), (5, 0), (7, 3), (40_000, 3), (2, 1 << 16)] {
            let tasks = in_tasks(rows, width, |rows| rows);
            assert!(tasks.into_iter().flatten().eq(0..rows), "{rows} rows of {width}");
            let append = |row: usize, values: &mut Vec<f32>| {
                values.extend((0..width).map(|column| (row + column) as f32));
            };
            let expected = (0..rows).flat_map(|row| (0..width).map(move |at| (row + at) as f32));
            assert_eq!(collect_rows(rows, width, append), expected.collect::<Vec<_>>());
        }
    }
}
