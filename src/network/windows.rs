//! Windows that move over an image: the values that a convolution, a pool and patches read.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor};
use rayon::prelude::*;
use twinprop_calibration::bridge::{from_vec, is_cpu, values};

use crate::data::ImageSize;

/// An image with channels; values are stored pixel by pixel, row by row, and the channels of a pixel side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// Rows and columns.
    pub size: ImageSize,
    /// Values of a pixel.
    pub channels: usize,
}

impl ImageShape {
    /// Number of values.
    #[must_use]
    pub fn width(self) -> usize {
        self.size.pixels() * self.channels
    }
}

/// How windows move over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Motion {
    /// Size of a window.
    pub window: ImageSize,
    /// Rows to the next window down, and columns to the next across; at least one each.
    pub stride: ImageSize,
    /// Pixels of zeros above and below the image, and on its left and right.
    pub padding: ImageSize,
}

impl Motion {
    /// Windows down and across that fit into an image of the size `image` with its padding; `None` if none does, or if
    /// a window can lie in the padding alone.
    #[must_use]
    pub fn counts(self, image: ImageSize) -> Option<ImageSize> {
        let Self { window, stride, padding } = self;
        let fitting = |size: usize, window: usize, stride: usize, padding: usize| {
            if padding >= window {
                return None;
            }
            let padded = padding.checked_mul(2)?.checked_add(size)?;
            Some(padded.checked_sub(window)? / stride.max(1) + 1)
        };
        Some(ImageSize {
            rows: fitting(image.rows, window.rows, stride.rows, padding.rows)?,
            columns: fitting(image.columns, window.columns, stride.columns, padding.columns)?,
        })
    }
}

/// Windows of an image, left to right and down. The values of a window are stored as those of an image are.
pub struct Windows {
    image: ImageShape,
    motion: Motion,
    /// Windows down and across.
    counts: ImageSize,
    /// What backends other than the CPU read; `None` on the CPU.
    tables: Option<Tables>,
}

/// Indices of values for backends that gather.
struct Tables {
    /// For each value of the windows, the index of its value in the image; behind the image there is a zero.
    of_windows: Tensor<1, Int>,
    /// For each value of the image, the indices of the values of windows that read it, filled up to `most` with an index
    /// behind the windows, where there is a zero.
    of_image: Tensor<1, Int>,
    /// Most windows that read one value.
    most: usize,
}

impl Windows {
    /// The windows of `image` that fit into it with its padding: rows and columns that are left over at its end are not
    /// read. `None` where [`Motion::counts`] is.
    #[must_use]
    pub fn new(image: ImageShape, motion: Motion, device: &Device) -> Option<Self> {
        let counts = motion.counts(image.size)?;
        let mut windows = Self { image, motion, counts, tables: None };
        windows.tables = (!is_cpu(device)).then(|| windows.tables(device));
        Some(windows)
    }

    /// Windows down and across.
    #[must_use]
    pub fn counts(&self) -> ImageSize {
        self.counts
    }

    /// Values of a pixel of the image.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.image.channels
    }

    /// Pixels of a window.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.motion.window.pixels()
    }

    /// Values of a window.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.pixels() * self.image.channels
    }

    /// Values of all windows of an image.
    #[must_use]
    pub fn width(&self) -> usize {
        self.counts.pixels() * self.cells()
    }

    /// The windows `[batch, windows · cells]` of the images `x` `[batch, width]`.
    #[must_use]
    pub fn of(&self, x: &Tensor<2>) -> Tensor<2> {
        let ([batch, width], device) = (x.dims(), x.device());
        if let Some(tables) = &self.tables {
            let zero = Tensor::zeros([batch, 1], &device);
            return Tensor::cat(vec![x.clone(), zero], 1).select(1, tables.of_windows.clone());
        }
        let (images, mut windows) = (&*values(x.clone()), vec![0.0; batch * self.width()]);
        let pairs = windows.par_chunks_mut(self.width()).zip(images.par_chunks(width));
        pairs.for_each(|(windows, image)| self.read(image, windows));
        from_vec(windows, [batch, self.width()], &device)
    }

    /// The transposed map: the cotangent `[batch, width]` of images from the cotangent `[batch, windows · cells]` of
    /// their windows. Where windows overlap it is their sum.
    #[must_use]
    pub fn pull_back(&self, dy: Tensor<2>) -> Tensor<2> {
        let ([batch, _], device, width) = (dy.dims(), dy.device(), self.image.width());
        if let Some(Tables { of_image, most, .. }) = &self.tables {
            let zero = Tensor::zeros([batch, 1], &device);
            let read = Tensor::cat(vec![dy, zero], 1).select(1, of_image.clone());
            return read.reshape([batch * width, *most]).sum_dim(1).reshape([batch, width]);
        }
        let (windows, mut images) = (&*values(dy), vec![0.0; batch * width]);
        let pairs = images.par_chunks_mut(width).zip(windows.par_chunks(self.width()));
        pairs.for_each(|(image, windows)| {
            self.for_each_run(|window, pixels| {
                let sums = image[pixels].iter_mut().zip(&windows[window]);
                sums.for_each(|(sum, value)| *sum += value);
            });
        });
        from_vec(images, [batch, width], &device)
    }

    /// Writes the windows of `image`.
    pub(super) fn read(&self, image: &[f32], windows: &mut [f32]) {
        self.for_each_run(|window, pixels| windows[window].copy_from_slice(&image[pixels]));
    }

    /// Calls `visit` with each run of values that lie side by side in a window and in the image: where it lies in the
    /// windows, and where in the image.
    fn for_each_run(&self, mut visit: impl FnMut(Range<usize>, Range<usize>)) {
        let ImageShape { size, channels } = self.image;
        let Motion { window, stride, padding } = self.motion;
        for down in 0..self.counts.rows {
            for across in 0..self.counts.columns {
                let start = (down * self.counts.columns + across) * self.cells();
                // Columns of the window that lie in the image.
                let left = across * stride.columns;
                let first = padding.columns.saturating_sub(left);
                let last = (size.columns + padding.columns
                    - left.min(size.columns + padding.columns))
                .min(window.columns);
                for row in 0..window.rows {
                    let below = down * stride.rows + row;
                    if below < padding.rows || below >= size.rows + padding.rows || first >= last {
                        continue;
                    }
                    let pixel =
                        (below - padding.rows) * size.columns + left + first - padding.columns;
                    let cell = start + (row * window.columns + first) * channels;
                    let count = (last - first) * channels;
                    visit(cell..cell + count, pixel * channels..pixel * channels + count);
                }
            }
        }
    }

    fn tables(&self, device: &Device) -> Tables {
        let (width, total) = (self.image.width(), self.width());
        let mut of_windows = vec![width as i32; total];
        let mut readers = vec![Vec::new(); width];
        self.for_each_run(|window, pixels| {
            for (cell, value) in window.zip(pixels) {
                of_windows[cell] = value as i32;
                readers[value].push(cell as i32);
            }
        });
        let most = readers.iter().map(Vec::len).max().unwrap_or(0).max(1);
        for readers in &mut readers {
            readers.resize(most, total as i32);
        }
        Tables {
            of_windows: Tensor::from_data(of_windows.as_slice(), device),
            of_image: Tensor::from_data(readers.concat().as_slice(), device),
            most,
        }
    }
}
