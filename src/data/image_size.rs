//! The size of images, and which of their pixels are kept.

use serde::{Deserialize, Serialize};

/// Rows and columns of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSize {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

impl ImageSize {
    /// As many rows as columns.
    #[must_use]
    pub fn square(side: usize) -> Self {
        Self { rows: side, columns: side }
    }

    /// Number of pixels.
    #[must_use]
    pub fn pixels(self) -> usize {
        self.rows * self.columns
    }

    /// The size after keeping every `every`-th row and column.
    pub(super) fn subsampled(self, every: usize) -> Self {
        Self { rows: self.rows.div_ceil(every), columns: self.columns.div_ceil(every) }
    }

    /// Name of each pixel, row by row.
    pub(super) fn pixel_names(self) -> Vec<String> {
        self.pixels_left(1).map(|(row, column)| format!("row {row}, column {column}")).collect()
    }

    /// Row and column of each kept pixel, row by row.
    pub(super) fn pixels_left(self, every: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows)
            .step_by(every)
            .flat_map(move |row| (0..self.columns).step_by(every).map(move |column| (row, column)))
    }
}
