//! 2 × 2 matrices of a transistor circuit's states.

use burn::tensor::Tensor;

/// 2 × 2 matrices that act on cotangents of (i, v), `[steps, shots]` each.
pub(super) struct StateMatrices {
    pub ii: Tensor<2>,
    pub iv: Tensor<2>,
    pub vi: Tensor<2>,
    pub vv: Tensor<2>,
}

impl StateMatrices {
    fn map(&self, of: impl Fn(&Tensor<2>) -> Tensor<2>) -> Self {
        Self { ii: of(&self.ii), iv: of(&self.iv), vi: of(&self.vi), vv: of(&self.vv) }
    }

    pub fn at(&self, step: usize) -> Self {
        self.map(|values| values.clone().narrow(0, step, 1))
    }

    pub fn times(&self, factor: f32) -> Self {
        self.map(|values| values.clone() * factor)
    }

    pub fn plus(self, other: Self) -> Self {
        Self {
            ii: self.ii + other.ii,
            iv: self.iv + other.iv,
            vi: self.vi + other.vi,
            vv: self.vv + other.vv,
        }
    }

    /// The product with a column (i, v).
    pub fn pull(&self, [i, v]: [Tensor<2>; 2]) -> [Tensor<2>; 2] {
        [
            self.ii.clone() * i.clone() + self.iv.clone() * v.clone(),
            self.vi.clone() * i + self.vv.clone() * v,
        ]
    }

    /// The product with `right`.
    pub fn product(&self, right: &Self) -> Self {
        let [ii, vi] = self.pull([right.ii.clone(), right.vi.clone()]);
        let [iv, vv] = self.pull([right.iv.clone(), right.vv.clone()]);
        Self { ii, iv, vi, vv }
    }
}
