//! Heat in a row: a heater warms its own ring, and its neighbours by κ to the power of their distance.

/// h_n = Σ_j κ^|n−j| θ_j, into `heat`. Symmetric, so its own adjoint.
pub(super) fn heat(crosstalk: f32, powers: &[f32], heat: &mut [f32]) {
    let mut from_before = 0.0;
    for (heat, power) in heat.iter_mut().zip(powers) {
        *heat = power + from_before;
        from_before = crosstalk * *heat;
    }
    let mut from_behind = 0.0;
    for (heat, power) in heat.iter_mut().zip(powers).rev() {
        *heat += from_behind;
        from_behind = crosstalk * (power + from_behind);
    }
}

/// Σ_n g_n ∂h_n/∂κ for the cotangents g = `of_heat`.
pub(super) fn of_crosstalk(crosstalk: f32, powers: &[f32], of_heat: &[f32]) -> f32 {
    let forward = powers.iter().zip(of_heat);
    along(crosstalk, forward.clone()) + along(crosstalk, forward.rev())
}

/// The part of the heaters before each ring in this order.
fn along<'a>(crosstalk: f32, rings: impl Iterator<Item = (&'a f32, &'a f32)>) -> f32 {
    // Heat of the rings up to this one, κ^distance each, and its derivative by κ.
    let (mut heat, mut slope, mut sum) = (0.0, 0.0, 0.0);
    for (power, of_heat) in rings {
        slope = heat + crosstalk * slope;
        heat = power + crosstalk * heat;
        sum += of_heat * slope;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_and_its_slope_are_those_of_the_sums() {
        let (powers, of) = ([0.3f32, 1.0, 0.0, 2.0, 0.7], [1.0f32, -0.5, 2.0, 0.1, -1.0]);
        for crosstalk in [0.0f32, 0.2, -0.1] {
            let mut heated = [0.0; 5];
            heat(crosstalk, &powers, &mut heated);
            let mut slope = 0.0;
            for n in 0..5usize {
                let distance = |j: usize| n.abs_diff(j) as i32;
                let sum: f32 = (0..5).map(|j| crosstalk.powi(distance(j)) * powers[j]).sum();
                assert!((heated[n] - sum).abs() < 1e-6, "{crosstalk}, {n}: {} {sum}", heated[n]);
                let others = (0..5).filter(|&j| j != n);
                slope += others
                    .map(|j| {
                        let d = distance(j);
                        of[n] * d as f32 * crosstalk.powi(d - 1) * powers[j]
                    })
                    .sum::<f32>();
            }
            let found = of_crosstalk(crosstalk, &powers, &of);
            assert!((found - slope).abs() < 1e-5, "{crosstalk}: {found} {slope}");
        }
    }
}
