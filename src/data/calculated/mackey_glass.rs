//! The Mackey-Glass equation, a chaotic series.
//!
//! ```text
//! dx/dt = β x(t − τ) / (1 + x(t − τ)ⁿ) − γ x(t),     β = 0.2,  γ = 0.1,  n = 10
//! ```
//!
//! τ is the delay; x = 1.2 before the beginning. Source: Mackey & Glass, Science 197, 287 (1977), eq. 4b.
//!
//! Time: the classical fourth-order Runge-Kutta method with steps of 0.1; x(t − τ) between two steps is the cubic
//! Hermite interpolation of their values and derivatives.

use super::super::MackeyGlassConfig;
use crate::Error;

const BETA: f64 = 0.2;
const GAMMA: f64 = 0.1;
const POWER: i32 = 10;
const START: f64 = 1.2;
/// Steps a unit of time.
const STEPS: usize = 10;
/// Units of time that are left out at the beginning.
const TRANSIENT: usize = 1000;

/// x once a unit of time.
pub(super) fn series(config: &MackeyGlassConfig) -> Result<Vec<f64>, Error> {
    let delay = (config.delay * STEPS as f64).round();
    if delay < 1.0 || (delay - config.delay * STEPS as f64).abs() > 1e-6 {
        return Err(Error::Usage(format!(
            "data.source.sequence.series.mackey_glass.delay is {}; it must be a multiple of 0.1",
            config.delay
        )));
    }
    let steps = (TRANSIENT + config.times) * STEPS;
    let trajectory = solve(delay as usize, steps);
    Ok((0..config.times).map(|time| trajectory[(TRANSIENT + time) * STEPS]).collect())
}

/// x at the beginning and after each of `steps` steps; the delay is `delay` steps.
fn solve(delay: usize, steps: usize) -> Vec<f64> {
    let h = 1.0 / STEPS as f64;
    let slope = |x: f64, late: f64| BETA * late / (1.0 + late.powi(POWER)) - GAMMA * x;
    let mut x = Vec::with_capacity(steps + 1);
    let mut slopes = Vec::with_capacity(steps + 1);
    x.push(START);
    for step in 0..steps {
        let late = |step: usize| step.checked_sub(delay).map_or(START, |place| x[place]);
        let (before, after) = (late(step), late(step + 1));
        slopes.push(slope(x[step], before));
        // The history before the beginning is constant, and x(t) has a kink at the beginning.
        let slope_after = step.checked_sub(delay).map_or(0.0, |place| slopes[place]);
        let slope_before = (step + 1).checked_sub(delay).filter(|&place| place > 0);
        let slope_before = slope_before.map_or(0.0, |place| slopes[place]);
        let middle = 0.5 * (before + after) + h / 8.0 * (slope_after - slope_before);
        let now = x[step];
        let k1 = slope(now, before);
        let k2 = slope(now + 0.5 * h * k1, middle);
        let k3 = slope(now + 0.5 * h * k2, middle);
        let k4 = slope(now + h * k3, after);
        x.push(now + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4));
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_short_delay_it_comes_to_rest_at_the_fixed_point() {
        // β x / (1 + xⁿ) = γ x at x = (β / γ − 1)^(1 / n) = 1.
        let x = solve(10, 5000);
        assert!((x[5000] - 1.0).abs() < 1e-9, "{}", x[5000]);
    }

    #[test]
    fn until_the_delay_is_over_it_is_the_exact_solution() {
        // The history is constant: x relaxes to c / γ, c = β s / (1 + s¹⁰) for s = 1.2.
        let x = solve(170, 170);
        let rest = BETA * START / (1.0 + START.powi(POWER)) / GAMMA;
        for (step, x) in x.iter().enumerate() {
            let exact = rest + (START - rest) * (-GAMMA * step as f64 / STEPS as f64).exp();
            assert!((x - exact).abs() < 1e-9, "{step}: {x} and {exact}");
        }
    }

    #[test]
    fn the_series_is_bounded_and_does_not_repeat() {
        let config = MackeyGlassConfig { times: 2000, delay: 17.0 };
        let x = series(&config).expect("a multiple of 0.1");
        assert_eq!(x.len(), 2000);
        assert!(x.iter().all(|x| (0.2..1.4).contains(x)));
        let wrong = MackeyGlassConfig { delay: 17.05, ..config };
        let error = series(&wrong).expect_err("between two steps").to_string();
        assert!(error.contains("17.05") && error.contains("0.1"), "{error}");
    }
}
