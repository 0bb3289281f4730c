//! Squares of pixels in the middle of the grid: of the modulator, and the bins of the camera.

use std::ops::Range;

/// A square of blocks of pixels in the middle of the grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Blocks a side.
    pub blocks: usize,
    /// Pixels a side of a block.
    pub block: usize,
    /// First row and column.
    first: usize,
    /// Pixels a side of the grid.
    side: usize,
}

impl Window {
    /// `blocks` blocks a side in a grid of `side` pixels.
    pub fn new(blocks: usize, side: usize) -> Self {
        let block = side / blocks;
        Self { blocks, block, first: (side - block * blocks) / 2, side }
    }

    /// Number of blocks.
    pub fn count(&self) -> usize {
        self.blocks * self.blocks
    }

    /// Rows or columns of each block.
    pub fn all_places(&self) -> Vec<Range<usize>> {
        (0..self.blocks).map(|block| self.places(block)).collect()
    }

    /// Calls `visit` with the place in the grid of each pixel of the block `number`.
    #[inline(always)]
    pub fn each_pixel(&self, number: usize, mut visit: impl FnMut(usize)) {
        for y in self.places(number / self.blocks) {
            for x in self.places(number % self.blocks) {
                visit(y * self.side + x);
            }
        }
    }

    /// Rows or columns of a block.
    #[inline(always)]
    fn places(&self, block: usize) -> Range<usize> {
        let start = self.first + block * self.block;
        start..start + self.block
    }
}
