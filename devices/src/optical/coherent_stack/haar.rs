//! Phases with which each mesh is a uniformly random unitary matrix, by Haar's measure.
//!
//! φ and γ are uniform in [0, 2π), and θ = π − 2 asin u^{1/(2a)} with u uniform and an exponent a by the interferometer's
//! place: the power that an interferometer passes on has the density of a part of a random vector. After Russell, Chakhmakhchyan,
//! O'Brien & Laing, New J. Phys. 19, 033007 (2017), sec. 3.

use std::f64::consts::{PI, TAU};

use rand::{Rng, RngExt};

use super::config::CoherentStackConfig;
use super::mesh::places;

impl CoherentStackConfig {
    /// Draws the phases of all meshes, in the order of the device's parameters, in rad.
    pub fn haar_phases(&self, random: &mut impl Rng) -> Vec<f32> {
        let mut theta = Vec::new();
        for column in (0..self.meshes).flat_map(|_| 0..self.modes) {
            theta.extend(places(self.modes, column).map(|mode| {
                let power = 0.5 / exponent(self.modes, column, mode) as f64;
                let uniform: f64 = random.random();
                (PI - 2.0 * uniform.powf(power).asin()) as f32
            }));
        }
        let others = theta.len() + self.meshes * self.modes;
        theta.extend((0..others).map(|_| (TAU * random.random::<f64>()) as f32));
        theta
    }
}

/// a of the interferometer of column `column` on modes `mode` and `mode` + 1.
fn exponent(modes: usize, column: usize, mode: usize) -> usize {
    let length = if column > mode { modes - (column - mode) } else { modes - 1 - (mode - column) };
    let place = mode.min(column);
    match (length % 2 == 1, 2 * place < length) {
        _ if length == 1 => 1,
        (true, true) => 2 * place + 1,
        (false, true) => 2 * place + 2,
        (true, false) => 2 * (length - place),
        (false, false) => 2 * (length - place) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optical::CoherentStack;
    use crate::random;
    use nalgebra::{DMatrix, DVector};

    #[test]
    fn exponents_of_eight_modes_are_the_known_ones() {
        let found: Vec<String> = (0..8)
            .map(|column| {
                places(8, column).map(|mode| exponent(8, column, mode).to_string()).collect()
            })
            .collect();
        assert_eq!(found.join("/"), "1111/333/2552/474/2662/454/2332/111");
    }

    /// The power of light from one mode in another is one of N parts of a random vector: its mean is 1/N, its mean square
    /// 2 / (N (N + 1)).
    #[test]
    fn powers_have_the_moments_of_a_random_unitary() {
        let config = CoherentStackConfig { modes: 6, meshes: 1, ..Default::default() };
        let stack = CoherentStack::nominal(&config).unwrap();
        let mut random = random::stream(1, "haar");
        let count = 4000;
        let light = DMatrix::from_fn(12, 6, |row, shot| f32::from(u8::from(row == shot)));
        let mut moments = [DMatrix::<f64>::zeros(6, 6), DMatrix::zeros(6, 6)];
        for _ in 0..count {
            let phases = DVector::from_vec(config.haar_phases(&mut random));
            let field = &stack.fields(&light, &phases).unwrap()[0];
            let power = DMatrix::from_fn(6, 6, |to, from| {
                f64::from(field[(to, from)].powi(2) + field[(6 + to, from)].powi(2))
            });
            moments[1] += power.map(|power| power * power);
            moments[0] += power;
        }
        for (moment, expected) in moments.into_iter().zip([1.0 / 6.0, 2.0 / 42.0]) {
            let moment = moment / f64::from(count);
            assert!(moment.add_scalar(-expected).amax() < 0.08 * expected, "{moment}");
        }
    }
}
