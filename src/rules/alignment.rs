//! Alignment of a rule's gradient with backpropagation's.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::values;

/// Angles between a rule's gradient and backpropagation's through the twins, at the same traced points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alignment {
    /// Cosine of the angle between the two, over all parameters.
    pub cosine: f32,
    /// Angle in degrees for each trainable tensor, by `STAGE.KIND.NAME`; 90 where one of them is zero.
    pub angles: BTreeMap<String, f32>,
}

impl Alignment {
    /// Alignment of `gradients` with `reference`, both in the order of `names`.
    #[must_use]
    pub fn between(names: &[String], gradients: &[Tensor<2>], reference: &[Tensor<2>]) -> Self {
        let mut whole = Products::default();
        let mut angles = BTreeMap::new();
        for ((name, left), right) in names.iter().zip(gradients).zip(reference) {
            let products = Products::of(&values(left.clone()), &values(right.clone()));
            angles.insert(name.clone(), products.cosine().acos().to_degrees() as f32);
            whole.add(&products);
        }
        Self { cosine: whole.cosine() as f32, angles }
    }
}

/// Inner products of two vectors with themselves and each other.
#[derive(Default)]
struct Products {
    left: f64,
    right: f64,
    both: f64,
}

impl Products {
    fn of(left: &[f32], right: &[f32]) -> Self {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        Self { left: dot(left, left), right: dot(right, right), both: dot(left, right) }
    }

    fn add(&mut self, other: &Self) {
        self.left += other.left;
        self.right += other.right;
        self.both += other.both;
    }

    fn cosine(&self) -> f64 {
        let lengths = (self.left * self.right).sqrt();
        if lengths > 0.0 { (self.both / lengths).clamp(-1.0, 1.0) } else { 0.0 }
    }
}
