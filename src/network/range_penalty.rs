//! A soft barrier at the ends of a device's ranges.

use burn::tensor::Tensor;
use twinprop_calibration::tensors::total;

/// λ · mean of (|x| − 1)₊² over normalised drives or parameters x: zero inside the range, growing with the square of
/// the distance beyond it.
#[derive(Clone, Copy, Debug)]
pub struct RangePenalty {
    /// λ, zero or more.
    pub strength: f64,
}

impl RangePenalty {
    /// The penalty at the drives `x`.
    #[must_use]
    pub fn value(&self, x: &Tensor<2>) -> f32 {
        let excess = x.clone() - x.clone().clamp(-1.0, 1.0);
        let count = x.shape().num_elements();
        (total(excess.square()) * (self.strength / count as f64)).into_scalar::<f32>()
    }

    /// Its gradient, of `x`'s shape.
    #[must_use]
    pub fn gradient(&self, x: &Tensor<2>) -> Tensor<2> {
        let count = x.shape().num_elements();
        (x.clone() - x.clone().clamp(-1.0, 1.0)) * self.slope(count)
    }

    /// `dx` where `x` is in range and zero elsewhere, plus the penalty's gradient at `x`.
    #[must_use]
    pub fn confined(&self, x: &Tensor<2>, dx: Tensor<2>) -> Tensor<2> {
        dx.mask_fill(x.clone().abs().greater_scalar(1.0), 0.0) + self.gradient(x)
    }

    /// The penalty at the parameters `values`.
    #[must_use]
    pub fn value_of(&self, values: &[f32]) -> f32 {
        // Sixteen partial sums, so that the additions need not wait for each other.
        let mut squares = [0.0f32; 16];
        for values in values.chunks(squares.len()) {
            for (square, &value) in squares.iter_mut().zip(values) {
                *square += excess(value).powi(2);
            }
        }
        self.strength as f32 * squares.iter().sum::<f32>() / values.len() as f32
    }

    /// What [`confined`](Self::confined) does to tensors of `count` values, as a function of a value and its cotangent.
    pub fn confine_each(&self, count: usize) -> impl Fn(f32, f32) -> f32 {
        let slope = self.slope(count) as f32;
        move |value, cotangent| {
            let excess = excess(value);
            let inside = if excess == 0.0 { cotangent } else { 0.0 };
            inside + excess * slope
        }
    }

    /// 2 λ over the number of values.
    fn slope(&self, count: usize) -> f64 {
        2.0 * self.strength / count as f64
    }
}

/// x − clamp(x, −1, 1).
fn excess(x: f32) -> f32 {
    x - x.clamp(-1.0, 1.0)
}
