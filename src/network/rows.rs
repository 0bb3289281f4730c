//! Values written row by row, by several cores where there are many.

use std::ops::Range;

use rayon::prelude::*;

/// Fewest values of a task for another core. To bring fewer there takes longer than to compute them here.
const VALUES_A_TASK: usize = 1 << 15;

/// The values of `rows` rows, of which `append` appends the `width` of each. A single task's values are not zeroed first.
pub(super) fn collect_rows(
    rows: usize,
    width: usize,
    append: impl Fn(usize, &mut Vec<f32>) + Sync,
) -> Vec<f32> {
    let task = rows_a_task(width);
    if rows <= task {
        let mut values = Vec::with_capacity(rows * width);
        (0..rows).for_each(|row| append(row, &mut values));
        return values;
    }
    let mut values = vec![0.0; rows * width];
    let tasks = values.par_chunks_mut((task * width).max(1)).enumerate();
    tasks.for_each_init(Vec::new, |of_row, (place, values)| {
        for (row, values) in values.chunks_mut(width).enumerate() {
            of_row.clear();
            append(place * task + row, of_row);
            values.copy_from_slice(of_row);
        }
    });
    values
}

/// Calls `of_task` for runs of `rows` rows of `width` values; returns the results in the order of the rows. The runs do not
/// depend on the number of threads.
pub(super) fn in_tasks<T: Send>(
    rows: usize,
    width: usize,
    of_task: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let task = rows_a_task(width);
    if rows <= task {
        return vec![of_task(0..rows)];
    }
    let firsts = (0..rows.div_ceil(task)).into_par_iter().map(|place| place * task);
    firsts.map(|first| of_task(first..rows.min(first + task))).collect()
}

fn rows_a_task(width: usize) -> usize {
    VALUES_A_TASK.div_ceil(width.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_many_tasks_are_in_order() {
        for (rows, width) in [(0, 3), (5, 0), (40_000, 0), (7, 3), (40_000, 3), (2, 1 << 16)] {
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
