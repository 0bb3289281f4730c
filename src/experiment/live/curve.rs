//! A curve of bounded size: where it is full, neighbouring points are joined.

use serde::Serialize;

/// Most points of a curve; even.
const MOST: usize = 200;

/// Means of a value over equal numbers of steps.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Curve {
    /// Last step of the mean, and the mean.
    points: Vec<(usize, f32)>,
    /// Steps of a point.
    #[serde(skip)]
    each: usize,
    /// Sum and number of the next point's values.
    #[serde(skip)]
    sum: f64,
    #[serde(skip)]
    count: usize,
}

impl Default for Curve {
    fn default() -> Self {
        Self { points: Vec::new(), each: 1, sum: 0.0, count: 0 }
    }
}

impl Curve {
    /// Adds the `value` of `step`.
    pub fn push(&mut self, step: usize, value: f32) {
        self.sum += f64::from(value);
        self.count += 1;
        if self.count < self.each {
            return;
        }
        self.points.push((step, (self.sum / self.count as f64) as f32));
        (self.sum, self.count) = (0.0, 0);
        if self.points.len() == MOST {
            let joined = |two: &[(usize, f32)]| (two[1].0, (two[0].1 + two[1].1) / 2.0);
            self.points = self.points.chunks_exact(2).map(joined).collect();
            self.each *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_shape_in_few_points() {
        let mut curve = Curve::default();
        for step in 1..=10_000 {
            curve.push(step, step as f32);
        }
        assert!((MOST / 2..MOST).contains(&curve.points.len()), "{}", curve.points.len());
        for &(step, mean) in &curve.points {
            // The mean of the steps up to this one.
            assert_eq!(mean, step as f32 - (curve.each - 1) as f32 / 2.0);
        }
    }
}
