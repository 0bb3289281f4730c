//! The interferometers' matrices, and their derivatives.

use std::f64::consts::FRAC_PI_4;

use rustfft::num_complex::Complex32;

use crate::elementary::{sin_cos, vectorised};

/// The interferometers of a mesh at one setting.
pub(super) struct Interferometers {
    splitters: Vec<Splitters>,
    /// Sine and cosine of φ and θ of each, side by side.
    phases: Vec<(f32, f32)>,
    /// ℓ.
    transmission: f32,
}

/// T and its derivatives by φ, θ, δ₁ and δ₂.
pub(super) struct LinearisedInterferometer {
    pub matrix: [Complex32; 4],
    pub by: [[Complex32; 4]; 4],
}

/// Products of the cosines and sines of an interferometer's two splitters, the second's first.
#[derive(Clone, Copy)]
struct Splitters {
    cos_cos: f32,
    cos_sin: f32,
    sin_cos: f32,
    sin_sin: f32,
}

impl Splitters {
    /// Of δ₁ and δ₂, in 64 bits: they are equal in all interferometers of a perfect mesh, so that an error in
    /// the last bit would add up from column to column.
    fn new(first: f32, second: f32) -> Self {
        let (s1, c1) = (FRAC_PI_4 + f64::from(first)).sin_cos();
        let (s2, c2) = (FRAC_PI_4 + f64::from(second)).sin_cos();
        Self {
            cos_cos: (c2 * c1) as f32,
            cos_sin: (c2 * s1) as f32,
            sin_cos: (s2 * c1) as f32,
            sin_sin: (s2 * s1) as f32,
        }
    }

    /// The derivatives by δ₁ and by δ₂: the products with that splitter turned by a quarter.
    fn slopes(self) -> [Self; 2] {
        let Self { cos_cos, cos_sin, sin_cos, sin_sin } = self;
        [
            Self { cos_cos: -cos_sin, cos_sin: cos_cos, sin_cos: -sin_sin, sin_sin: sin_cos },
            Self { cos_cos: -sin_cos, cos_sin: -sin_sin, sin_cos: cos_cos, sin_sin: cos_sin },
        ]
    }
}

/// P as the two elements of its diagonal, the second of which is real; or its derivative.
type Phase = (Complex32, f32);

impl Interferometers {
    /// Of the splitters' errors (δ₁ and δ₂, in rad), the phases (φ and θ, in rad) and ℓ.
    pub fn new(errors: &[f32], phases: impl Iterator<Item = f32>, transmission: f32) -> Self {
        let splitters = errors.chunks_exact(2).map(|of| Splitters::new(of[0], of[1])).collect();
        let mut phases: Vec<_> = phases.map(|phase| (phase, 0.0)).collect();
        vectorised(
            #[inline(always)]
            || phases.iter_mut().for_each(|phase| *phase = sin_cos(phase.0)),
        );
        Self { splitters, phases, transmission }
    }

    /// T of one after the other.
    pub fn matrices(&self) -> impl Iterator<Item = [Complex32; 4]> {
        self.settings().map(|(splitters, phi, theta)| self.transfer(splitters, phi, theta))
    }

    /// T and its derivatives, of one after the other.
    pub fn linearised(&self) -> impl Iterator<Item = LinearisedInterferometer> {
        self.settings().map(|(splitters, phi, theta)| {
            let slope = |(turn, _): Phase| (Complex32::I * turn, 0.0);
            let [by_first, by_second] = splitters.slopes();
            LinearisedInterferometer {
                matrix: self.transfer(splitters, phi, theta),
                by: [
                    self.transfer(splitters, slope(phi), theta),
                    self.transfer(splitters, phi, slope(theta)),
                    self.transfer(by_first, phi, theta),
                    self.transfer(by_second, phi, theta),
                ],
            }
        })
    }

    fn settings(&self) -> impl Iterator<Item = (Splitters, Phase, Phase)> {
        let phase = |(sine, cosine)| (Complex32::new(cosine, sine), 1.0);
        let phases = self.phases.chunks_exact(2);
        self.splitters
            .iter()
            .zip(phases)
            .map(move |(splitters, phases)| (*splitters, phase(phases[0]), phase(phases[1])))
    }

    /// ℓ B(π/4 + δ₂) P(θ) B(π/4 + δ₁) P(φ), multiplied out.
    fn transfer(&self, of: Splitters, phi: Phase, theta: Phase) -> [Complex32; 4] {
        let (turn, rest) = (theta.0 * self.transmission, theta.1 * self.transmission);
        let i = Complex32::I;
        [
            (turn * of.cos_cos - rest * of.sin_sin) * phi.0,
            i * (turn * of.cos_sin + rest * of.sin_cos) * phi.1,
            i * (turn * of.sin_cos + rest * of.cos_sin) * phi.0,
            (-turn * of.sin_sin + rest * of.cos_cos) * phi.1,
        ]
    }
}
