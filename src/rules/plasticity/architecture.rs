//! The network that learns: dense layers without bias, soft rectifiers between them, a softmax on top.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::kernels::{Real, real};

/// Widths of a dense network y_l = softplus_β(W_l y_{l−1}), the last layer a softmax, and β.
///
/// Node k is the input of matrix k: node 0 the data, node L the classes. The values of all nodes are one slice, one
/// after the other, and so are the elements of all matrices (row-major, a row an output).
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    widths: Vec<usize>,
    beta: f64,
}

impl Architecture {
    /// A network with nodes of these `widths`, the data first.
    ///
    /// # Panics
    /// With fewer than two widths.
    #[must_use]
    pub fn new(widths: Vec<usize>, beta: f64) -> Self {
        assert!(widths.len() >= 2, "a network has an input and an output");
        Self { widths, beta }
    }

    /// Number of matrices, L.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// Sharpness of the rectifiers.
    #[must_use]
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// Width of node `node`.
    #[must_use]
    pub fn width(&self, node: usize) -> usize {
        self.widths[node]
    }

    /// Number of values of all nodes.
    #[must_use]
    pub fn values(&self) -> usize {
        self.widths.iter().sum()
    }

    /// Where the values of node `node` are.
    #[must_use]
    pub fn node(&self, node: usize) -> Range<usize> {
        let start = self.widths[..node].iter().sum();
        start..start + self.widths[node]
    }

    /// Number of elements of all matrices.
    #[must_use]
    pub fn weights(&self) -> usize {
        self.widths.windows(2).map(|pair| pair[0] * pair[1]).sum()
    }

    /// Where the elements of the matrix from node `layer` to the next are.
    #[must_use]
    pub fn matrix(&self, layer: usize) -> Range<usize> {
        let sizes = self.widths.windows(2).map(|pair| pair[0] * pair[1]);
        let start = sizes.take(layer).sum();
        start..start + self.widths[layer] * self.widths[layer + 1]
    }

    /// Fills all matrices uniformly from ±√(6 / (inputs + outputs)) (Glorot & Bengio 2010).
    pub fn draw<R: Real>(&self, weights: &mut [R], random: &mut ChaCha8Rng) {
        for layer in 0..self.layers() {
            let limit = (6.0 / (self.width(layer) + self.width(layer + 1)) as f64).sqrt();
            for weight in &mut weights[self.matrix(layer)] {
                *weight = real(random.random_range(-limit..limit));
            }
        }
    }
}
