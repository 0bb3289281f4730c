//! One physics in any unit: a device of four hyperbolic tangents, its equation, and data for it.

use rand_distr::{Distribution, StandardNormal};
use twinprop::data::{Dataset, Split};
use twinprop::devices::imperfections::wrap;
use twinprop::devices::nalgebra::{DMatrix, DVector};
use twinprop::devices::{
    Channels, Constant, DeviceError, Differentiable, ImperfectionsConfig, Interface, PhysicalLayer,
    random,
};

/// A drive, a parameter, a reading and a feature of 1 in the units of the laboratory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Units {
    pub drive: f32,
    pub parameter: f32,
    pub reading: f32,
    pub feature: f32,
}

impl Units {
    pub const ONE: Self = Self { drive: 1.0, parameter: 1.0, reading: 1.0, feature: 1.0 };

    pub fn all(unit: f32) -> Self {
        Self { drive: unit, parameter: unit, reading: unit, feature: unit }
    }

    pub fn powers_of_two(exponents: [i32; 4]) -> Self {
        let [drive, parameter, reading, feature] = exponents.map(|exponent| 2f32.powi(exponent));
        Self { drive, parameter, reading, feature }
    }
}

/// y = κ ∘ [tanh x₀, tanh(x₀ + p₀ x₁), tanh(x₀ x₂), tanh(x₂ − p₁ x₃)], all over their units: readings depend only on
/// the past of the waveform x₀ p₀ x₁ x₂ p₁ x₃.
#[derive(Clone)]
pub struct Tangents {
    interface: Interface,
    units: Units,
    constants: [f32; 4],
}

impl Tangents {
    /// With κ = 1, as in a data sheet.
    pub fn nominal(units: Units) -> Self {
        let Units { drive, parameter, reading, .. } = units;
        let interface = Interface {
            device: "tangents".to_owned(),
            inputs: Channels::bank("d", 4, "any", -drive, drive),
            parameters: Channels::bank("k", 2, "any", 0.0, parameter),
            outputs: Channels::bank("y", 4, "any", -5.0 * reading, 5.0 * reading),
            seconds_per_shot: 1e-4,
        };
        Self { interface, units, constants: [1.0; 4] }
    }

    /// With constants of its own.
    pub fn fabricated(units: Units) -> Self {
        Self { constants: [1.2, 0.9, 1.1, 0.8], ..Self::nominal(units) }
    }

    /// The tangents of a shot, and their slopes.
    fn tangents(&self, x: &[f32], p: &[f32]) -> ([f32; 4], [f32; 4]) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|place| x[place] / self.units.drive);
        let [k, l] = [0, 1].map(|place| p[place] / self.units.parameter);
        let tangents = [a, a + k * b, a * c, c - l * d].map(f32::tanh);
        (tangents, tangents.map(|t| 1.0 - t * t))
    }
}

/// The fabricated device, with noise of 0.2 % of its range.
pub fn noisy(units: Units) -> Box<dyn PhysicalLayer> {
    let noise = ImperfectionsConfig { readout_noise: 0.002, ..Default::default() };
    wrap(Tangents::fabricated(units), &noise, 7)
}

impl PhysicalLayer for Tangents {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.respond(inputs, parameters, outputs)
    }
}

impl Differentiable for Tangents {
    fn respond(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        for (x, mut y) in inputs.column_iter().zip(outputs.column_iter_mut()) {
            let (tangents, _) = self.tangents(x.as_slice(), parameters.as_slice());
            for (output, y) in y.iter_mut().enumerate() {
                *y = self.constants[output] * tangents[output] * self.units.reading;
            }
        }
        Ok(())
    }

    fn vjp(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) -> Result<(), DeviceError> {
        let Units { drive, parameter, reading, .. } = self.units;
        parameter_cotangents.fill(0.0);
        for (shot, x) in inputs.column_iter().enumerate() {
            let (_, slopes) = self.tangents(x.as_slice(), parameters.as_slice());
            let [s, t, u, v] = [0, 1, 2, 3].map(|output| {
                let of_reading = cotangents[(output, shot)] * reading;
                of_reading * self.constants[output] * slopes[output]
            });
            let [a, b, c, d] = [0, 1, 2, 3].map(|place| x[place] / drive);
            let [k, l] = [0, 1].map(|place| parameters[place] / parameter);
            let of_inputs = [s + t + u * c, t * k, u * a + v, -v * l];
            for (place, of_input) in of_inputs.into_iter().enumerate() {
                input_cotangents[(place, shot)] = of_input / drive;
            }
            parameter_cotangents[0] += t * b / parameter;
            parameter_cotangents[1] -= v * d / parameter;
        }
        Ok(())
    }

    fn multiply_adds(&self) -> u64 {
        60
    }

    fn constants(&self) -> Vec<Constant> {
        Constant::bank("gain", &self.constants).collect()
    }

    fn set_constants(&mut self, values: &[f32]) {
        self.constants.copy_from_slice(values);
    }

    fn constant_cotangents(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        let mut sums = [0.0; 4];
        for (x, c) in inputs.column_iter().zip(cotangents.column_iter()) {
            let (tangents, _) = self.tangents(x.as_slice(), parameters.as_slice());
            for (output, sum) in sums.iter_mut().enumerate() {
                *sum += c[output] * self.units.reading * tangents[output];
            }
        }
        Ok(sums.to_vec())
    }
}

/// Centres of the three classes in four features; samples have a standard deviation of 0.3 about them.
const CENTRES: [[f32; 4]; 3] =
    [[0.5, -0.4, 0.4, 0.2], [-0.4, 0.5, -0.2, 0.4], [0.1, -0.1, -0.6, -0.5]];

/// `train` training samples and `test` test samples.
pub fn split(units: Units, train: usize, test: usize) -> Split {
    let random = &mut random::stream(11, "samples");
    let mut part = |count: usize| {
        let labels: Vec<usize> = (0..count).map(|sample| sample % CENTRES.len()).collect();
        let features = DMatrix::from_fn(4, count, |row, sample| {
            let normal: f32 = StandardNormal.sample(random);
            (CENTRES[labels[sample]][row] + 0.3 * normal) * units.feature
        });
        Dataset::new(features, labels)
    };
    let (train, test) = (part(train), part(test));
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    Split { classes, ..Split::new(train, test) }
}
