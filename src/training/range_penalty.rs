//! A soft barrier at the ends of a device's ranges.

use burn::tensor::Tensor;

/// λ · mean of (|x| − 1)₊² over normalised drives or parameters x: zero inside the range, growing
/// with the square of what lies beyond.
#[derive(Clone, Copy, Debug)]
pub struct RangePenalty {
    /// λ, zero or more.
    pub strength: f64,
}

impl RangePenalty {
    /// The penalty at `x`.
    #[must_use]
    pub fn value(&self, x: &Tensor<2>) -> f32 {
        (excess(x).square().mean() * self.strength).into_scalar::<f32>()
    }

    /// Its gradient, of `x`'s shape.
    #[must_use]
    pub fn gradient(&self, x: &Tensor<2>) -> Tensor<2> {
        let count = x.shape().num_elements() as f64;
        excess(x) * (2.0 * self.strength / count)
    }
}

/// x − clamp(x, −1, 1).
fn excess(x: &Tensor<2>) -> Tensor<2> {
    x.clone() - x.clone().clamp(-1.0, 1.0)
}
