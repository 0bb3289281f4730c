//! A mesh of Mach-Zehnder interferometers: light through a programmable unitary.
//!
//! ```text
//! y_j = s_j |Σ_k U_jk x_k|²                   U = the product of N columns of interferometers
//! T(θ, φ) = ℓ B(π/4 + δ₂) P(θ) B(π/4 + δ₁) P(φ)
//! B(α) = | cos α   i sin α |                  P(θ) = | e^{iθ}  0 |
//!        | i sin α   cos α |                         |   0     1 |
//! ```
//!
//! Column c has an interferometer on modes (i, i + 1) for every i of c's parity (Clements et al., Optica
//! 3, 1460, 2016, fig. 1); N columns make any unitary up to phases at its end, which a detector does
//! not see. x are amplitudes on the modes, in phase; y the powers at the outputs. Trained are the
//! phases, φ and θ of one interferometer after the other.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | x, y | amplitude of a mode, power of a mode | 1 |
//! | θ, φ | internal and external phase | rad |
//! | δ₁, δ₂ | errors of the two splitters of an interferometer | rad |
//! | ℓ | amplitude transmission of an interferometer | 1 |
//! | s_j | sensitivity of a detector | 1 |
//!
//! The true mesh has fixed errors of its splitters (δ) and phases, thermal crosstalk (a phase shifts its
//! neighbours in the column by the share κ) and loss; the sensitivities of its detectors deviate by the
//! mismatch. Left out: reflections, and the spectrum of the light. Errors after Bandyopadhyay, Hamerly & Englund, Optica 8, 1247 (2021), eq. 1.

mod as_built;
mod config;
mod field;
mod interferometer;

pub use as_built::MeshConstants;
pub use config::MziMeshConfig;

use std::f32::consts::PI;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use rustfft::num_complex::Complex32;

use crate::elementary::vectorised;
use crate::matrix_product::multiply;
use crate::optical::rows::Rows;
use crate::{Channels, Constant, DeviceError, Differentiable, Interface, PhysicalLayer, random};

use interferometer::{Interferometers, LinearisedInterferometer};

/// Shots a worker plays at a time.
const SHOTS_A_TASK: usize = 256;

/// A mesh: nominal, or as built.
#[derive(Clone, Debug)]
pub struct MziMesh {
    interface: Interface,
    modes: usize,
    full_scale: f32,
    /// First mode of each interferometer, column by column, and where each column starts among them.
    places: Vec<usize>,
    columns: Vec<usize>,
    /// ℓ of every interferometer.
    transmission: f32,
    crosstalk: f32,
    /// δ₁ and δ₂ of each interferometer, and the errors of its φ and θ.
    splitters: Vec<f32>,
    phases: Vec<f32>,
    /// s of each detector.
    sensitivity: Vec<f32>,
}

impl MziMesh {
    /// The mesh as designed: perfect.
    ///
    /// # Errors
    /// [`DeviceError::Config`] for a mesh of one mode.
    pub fn nominal(config: &MziMeshConfig) -> Result<Self, DeviceError> {
        let perfect = MziMeshConfig {
            splitter_error: 0.0,
            phase_error: 0.0,
            crosstalk: 0.0,
            loss_db: 0.0,
            ..config.clone()
        };
        Self::fabricated(&perfect, 0.0, 0)
    }

    /// A copy with the configuration's errors, and with detectors off by a relative normal deviate of
    /// standard deviation `mismatch`, all drawn from `seed`.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &MziMeshConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        let modes = config.modes;
        if modes < 2 {
            return Err(DeviceError::Config {
                device: "mzi_mesh".to_owned(),
                problem: "modes = 1 leaves no interferometer; ask for two or more".to_owned(),
            });
        }
        let (mut places, mut columns) = (Vec::new(), vec![0]);
        for column in 0..modes {
            places.extend((column % 2..modes - 1).step_by(2));
            columns.push(places.len());
        }
        let mut random = random::stream(seed, "fabrication");
        let mut deviates = |count: usize, deviation: f64| -> Vec<f32> {
            (0..count).map(|_| (deviation * random::deviate(&mut random)) as f32).collect()
        };
        let phases = 2 * places.len();
        let full_scale = config.full_scale as f32;
        Ok(Self {
            interface: Interface {
                device: "mzi_mesh".to_owned(),
                inputs: Channels::bank("amplitude", modes, "1", -1.0, 1.0),
                parameters: Channels::bank("phase", phases, "rad", -PI, PI),
                outputs: Channels::bank("power", modes, "1", -0.05 * full_scale, full_scale),
                seconds_per_shot: config.seconds_per_shot,
            },
            modes,
            full_scale,
            transmission: 10f64.powf(-config.loss_db / 20.0) as f32,
            crosstalk: config.crosstalk as f32,
            splitters: deviates(phases, config.splitter_error),
            phases: deviates(phases, config.phase_error),
            sensitivity: deviates(modes, mismatch)
                .into_iter()
                .map(|deviate| (1.0 + deviate).max(0.1))
                .collect(),
            places,
            columns,
        })
    }

    /// The matrix U of the phases `parameters`, as its real and its imaginary part `[N × N]`.
    ///
    /// # Panics
    /// If there are not N (N − 1) phases.
    #[must_use]
    pub fn matrix(&self, parameters: &DVector<f32>) -> [DMatrix<f32>; 2] {
        assert_eq!(parameters.len(), self.phases.len(), "a mesh has N (N − 1) phases");
        self.transfer(parameters).matrices()
    }

    fn transfer(&self, parameters: &DVector<f32>) -> Rows {
        let mut field = Rows::identity(self.modes);
        let interferometers = self.interferometers(parameters.as_slice());
        vectorised(
            #[inline(always)]
            || {
                for (matrix, place) in interferometers.matrices().zip(&self.places) {
                    field.mix(*place, &matrix);
                }
            },
        );
        field
    }

    fn interferometers(&self, parameters: &[f32]) -> Interferometers {
        let heated = self.heat(parameters);
        let actual = heated.iter().zip(&self.phases).map(|(phase, error)| phase + error);
        Interferometers::new(&self.splitters, actual, self.transmission)
    }

    /// Phases with the crosstalk of their neighbours in the column; symmetric, so its own adjoint.
    fn heat(&self, phases: &[f32]) -> Vec<f32> {
        let mut heated = phases.to_vec();
        for column in self.columns.windows(2) {
            for phase in 2 * column[0]..2 * column[1] {
                // The same phase of the interferometers above and below.
                if phase >= 2 * column[0] + 2 {
                    heated[phase] += self.crosstalk * phases[phase - 2];
                }
                if phase + 2 < 2 * column[1] {
                    heated[phase] += self.crosstalk * phases[phase + 2];
                }
            }
        }
        heated
    }

    fn differentiate(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Adjoint, DeviceError> {
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        let interferometers: Vec<LinearisedInterferometer> =
            self.interferometers(parameters.as_slice()).linearised().collect();
        // The field before each column and after the last.
        let mut fields = vec![Rows::identity(self.modes)];
        for column in self.columns.windows(2) {
            let mut field = fields[fields.len() - 1].clone();
            let within = column[0]..column[1];
            for (place, one) in self.places[within.clone()].iter().zip(&interferometers[within]) {
                field.mix(*place, &one.matrix);
            }
            fields.push(field);
        }
        let [real, imaginary] = fields[self.modes].matrices();
        let (field_re, field_im) = (&real * inputs, &imaginary * inputs);
        let power = field_re.zip_map(&field_im, |re, im| re * re + im * im);
        let mut open = cotangents.clone();
        for ((mut open, power), sensitivity) in
            open.row_iter_mut().zip(power.row_iter()).zip(&self.sensitivity)
        {
            for (open, power) in open.iter_mut().zip(power.iter()) {
                // The derivative of a saturated detector is zero.
                *open *= f32::from(u8::from(sensitivity * power <= self.full_scale));
            }
        }
        let of_sensitivity = open.component_mul(&power).column_sum();
        let weighted =
            DMatrix::from_diagonal(&DVector::from_column_slice(&self.sensitivity)) * &open * 2.0;
        let (of_re, of_im) = (weighted.component_mul(&field_re), weighted.component_mul(&field_im));
        let of_inputs = real.tr_mul(&of_re) + imaginary.tr_mul(&of_im);
        // Row by row, as a field has it.
        let by_row = |of: &DMatrix<f32>| (inputs * of.transpose()).as_slice().to_vec();
        let mut pull = Rows { real: by_row(&of_re), imaginary: by_row(&of_im), width: self.modes };
        let mut of_heated = vec![0.0; parameters.len()];
        let mut of_splitters = vec![0.0; parameters.len()];
        for (column, ends) in self.columns.windows(2).enumerate().rev() {
            for place in ends[0]..ends[1] {
                let (interferometer, mode) = (&interferometers[place], self.places[place]);
                let of_matrix = pull.overlap_in_order(mode, &fields[column]);
                let along = |by: &[Complex32; 4]| -> f32 {
                    of_matrix.iter().zip(by).map(|(of, by)| (of.conj() * by).re).sum()
                };
                let [by_phi, by_theta, by_first, by_second] = &interferometer.by;
                of_heated[2 * place] = along(by_phi);
                of_heated[2 * place + 1] = along(by_theta);
                of_splitters[2 * place] = along(by_first);
                of_splitters[2 * place + 1] = along(by_second);
                let [a, b, c, d] = interferometer.matrix.map(|t| t.conj());
                pull.mix(mode, &[a, c, b, d]);
            }
        }
        let phases = parameters.as_slice();
        let of_crosstalk = if self.crosstalk == 1.0 {
            0.0
        } else {
            // Crosstalk is linear in κ: its derivative is its value at κ = 1.
            let unit = Self { crosstalk: 1.0, ..self.clone() }.heat(phases);
            let added = unit.iter().zip(phases).map(|(heated, phase)| heated - phase);
            added.zip(&of_heated).map(|(added, of)| added * of).sum()
        };
        Ok(Adjoint {
            of_inputs,
            of_parameters: self.heat(&of_heated),
            of_constants: of_splitters
                .into_iter()
                .chain(of_heated)
                .chain(of_sensitivity.iter().copied())
                .chain([of_crosstalk])
                .collect(),
        })
    }
}

struct Adjoint {
    of_inputs: DMatrix<f32>,
    of_parameters: Vec<f32>,
    of_constants: Vec<f32>,
}

impl PhysicalLayer for MziMesh {
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

impl Differentiable for MziMesh {
    fn respond(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        let transfer = self.transfer(parameters).stacked();
        let modes = self.modes;
        let task = SHOTS_A_TASK * modes;
        let play = |(inputs, outputs): (&[f32], &mut [f32])| {
            let mut fields = vec![0.0; 2 * inputs.len()];
            multiply(&mut fields, &transfer, inputs, 2 * modes, modes);
            vectorised(
                #[inline(always)]
                || {
                    for (field, powers) in
                        fields.chunks_exact(2 * modes).zip(outputs.chunks_exact_mut(modes))
                    {
                        let (real, imaginary) = field.split_at(modes);
                        let parts = real.iter().zip(imaginary).zip(&self.sensitivity);
                        for (power, ((re, im), sensitivity)) in powers.iter_mut().zip(parts) {
                            *power = (sensitivity * (re * re + im * im)).min(self.full_scale);
                        }
                    }
                },
            );
        };
        inputs
            .as_slice()
            .par_chunks(task)
            .zip(outputs.as_mut_slice().par_chunks_mut(task))
            .for_each(play);
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
        let adjoint = self.differentiate(inputs, parameters, cotangents)?;
        input_cotangents.copy_from(&adjoint.of_inputs);
        parameter_cotangents.as_mut_slice().copy_from_slice(&adjoint.of_parameters);
        Ok(())
    }

    fn constants(&self) -> Vec<Constant> {
        Constant::bank("splitter", &self.splitters)
            .chain(Constant::bank("phase", &self.phases))
            .chain(Constant::bank("sensitivity", &self.sensitivity))
            .chain([Constant { name: "crosstalk".to_owned(), value: self.crosstalk }])
            .collect()
    }

    fn set_constants(&mut self, values: &[f32]) {
        let count = self.phases.len();
        let (splitters, rest) = values.split_at(count);
        let (phases, rest) = rest.split_at(count);
        let (sensitivity, crosstalk) = rest.split_at(self.modes);
        self.splitters.copy_from_slice(splitters);
        self.phases.copy_from_slice(phases);
        self.sensitivity.copy_from_slice(sensitivity);
        self.crosstalk = crosstalk[0];
    }

    fn constant_cotangents(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        Ok(self.differentiate(inputs, parameters, cotangents)?.of_constants)
    }

    fn multiply_adds(&self) -> u64 {
        let modes = self.modes as u64;
        2 * modes * modes
    }
}
