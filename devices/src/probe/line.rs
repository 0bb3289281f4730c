//! The straight line through some points, by least squares.

/// A line through points.
pub(super) struct Line {
    /// Its slope; 0 where all points have one abscissa.
    pub slope: f64,
    /// Sum of the squared distances of the abscissae from their mean.
    pub spread: f64,
    /// Sum of the squared residuals.
    pub left: f64,
}

impl Line {
    /// The line through the points `(x, y)`.
    pub fn through(points: impl Iterator<Item = (f64, f64)> + Clone) -> Self {
        let count = points.clone().count() as f64;
        let mean = |value: fn((f64, f64)) -> f64| points.clone().map(value).sum::<f64>() / count;
        let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
        let about_mean = points.map(|(x, y)| (x - mean_x, y - mean_y));
        let spread: f64 = about_mean.clone().map(|(x, _)| x * x).sum();
        let together: f64 = about_mean.clone().map(|(x, y)| x * y).sum();
        let slope = if spread > 0.0 { together / spread } else { 0.0 };
        let left = about_mean.map(|(x, y)| (y - slope * x).powi(2)).sum();
        Self { slope, spread, left }
    }
}
