//! Heat in a row: a heater warms its own ring, and the ring at a distance of j by κ^j.

/// The heat of every ring, Σ_j κ^|n−j| P_j, from the heaters' `powers`. Symmetric, so its own adjoint.
pub(super) fn heat(powers: &[f32], crosstalk: f32) -> Vec<f32> {
    spread(powers, crosstalk).0
}

/// Its derivative by κ.
pub(super) fn heat_slope(powers: &[f32], crosstalk: f32) -> Vec<f32> {
    spread(powers, crosstalk).1
}

/// The heat and its derivative by κ: what comes from either side falls by κ from ring to ring.
fn spread(powers: &[f32], crosstalk: f32) -> (Vec<f32>, Vec<f32>) {
    let (mut heat, mut slope) = (powers.to_vec(), vec![0.0; powers.len()]);
    let mut pass = |places: &mut dyn Iterator<Item = usize>| {
        // Heat from the rings that were passed, at the last of them, and its derivative.
        let (mut from, mut of_from) = (0.0, 0.0);
        for place in places {
            let (here, of_here) = (crosstalk * from, from + crosstalk * of_from);
            heat[place] += here;
            slope[place] += of_here;
            (from, of_from) = (here + powers[place], of_here);
        }
    };
    pass(&mut (0..powers.len()));
    pass(&mut (0..powers.len()).rev());
    (heat, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_falls_with_the_distance_and_its_slope_is_the_difference() {
        let powers = [1.0, 0.0, 0.0, 2.0];
        let warm = heat(&powers, 0.1);
        let expected = [1.0 + 2e-3, 0.1 + 2e-2, 0.01 + 0.2, 2.0 + 1e-3];
        for (found, expected) in warm.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
        let (up, down) = (heat(&powers, 0.1 + 1e-3), heat(&powers, 0.1 - 1e-3));
        for (place, slope) in heat_slope(&powers, 0.1).into_iter().enumerate() {
            let expected = (up[place] - down[place]) / 2e-3;
            assert!((slope - expected).abs() < 1e-3, "{slope}, not {expected}");
        }
    }
}
