//! Banks of microrings that weigh the powers of wavelength channels: broadcast and weight.
//!
//! ```text
//! y_m = clamp(s_m / √N Σ_k w_mk x_k)              w_mk = D_mk − P_mk
//! P_mk = Π_j T_j                                  D_mk = Σ_j [Π_(i<j) T_i] D_j          at Δ_mjk
//! D_j = 4 r₁ r₂ / (Δ² + r²)                       T_j = (Δ² + (r − 2 r₁)²) / (Δ² + r²)
//! Δ_mnk = a (k − n) + b − r o_mn − η e_mn Σ_j κ^|n−j| θ_mj
//! ```
//!
//! A bus carries N wavelengths of the powers x, and is divided equally among M rows. In a row the light passes N rings;
//! ring n is near channel n, and a heater tunes it. What a ring drops goes to one detector, what has passed all
//! of them to another, and their currents are subtracted: a channel far from every ring has the weight −1, and one on a
//! resonance without loss has 1. Trained are the powers of the heaters θ, row by row.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | x, y | power of a channel, difference of the currents of a row's detectors | 1 |
//! | θ | power of a heater, 0 to the largest | mW |
//! | Δ | detuning of a channel towards longer wavelengths from a resonance | GHz |
//! | a, b | spacing of the channels, detuning of a cold ring | GHz |
//! | r₁, r₂, r₀ | decay rates of a ring's amplitude into the bus, the drop waveguide and loss | GHz |
//! | r | half width of the resonance at half of its maximum, r₀ + r₁ + r₂ | GHz |
//! | η | shift of a resonance by the power of its heater | GHz/mW |
//! | e, o | relative efficiency of a heater, error of a resonance in half widths | 1 |
//! | κ | thermal crosstalk from ring to ring in a row | 1 |
//! | s_m | sensitivity of a row's detectors | 1 |
//!
//! The nominal banks have e = s = 1 and o = κ = 0. The true ones have drawn errors of resonances and heaters, crosstalk,
//! and sensitivities that deviate by the mismatch; all of them can be learned.
//!
//! Sources: weight banks and their balanced detectors, Tait et al., Scientific Reports 7, 7430 (2017), and IEEE Journal of
//! Selected Topics in Quantum Electronics 22, 5900214 (2016); the rings by coupled modes in time, Little et al., Journal of
//! Lightwave Technology 15, 998 (1997). Left out: interference of several paths between neighbouring rings, heating by
//! the light itself, other orders of a ring's resonances, and crosstalk between rows.

mod as_built;
mod bank;
mod config;
mod heaters;
mod pass;
mod ring;
mod row;

pub use as_built::MicroringConstants;
pub use bank::MicroringBank;
pub use config::MicroringBankConfig;
pub use ring::Ring;

use nalgebra::{DMatrix, DVector};

use crate::{Constant, DeviceError, Differentiable, Interface, LinearisedEquation, PhysicalLayer};

use pass::{Pass, respond};

impl PhysicalLayer for MicroringBank {
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

impl Differentiable for MicroringBank {
    fn respond(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        respond(self, inputs, parameters, outputs);
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
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        let pass = Pass::new(self, inputs, parameters);
        pass.pull_back(cotangents, Some(input_cotangents), parameter_cotangents);
        Ok(())
    }

    fn linearise(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
    ) -> Option<Box<dyn LinearisedEquation>> {
        Some(Box::new(Pass::new(self, inputs, parameters)))
    }

    fn constants(&self) -> Vec<Constant> {
        self.all_constants()
    }

    fn set_constants(&mut self, values: &[f32]) {
        self.set_all_constants(values);
    }

    fn constant_cotangents(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        Ok(Pass::new(self, inputs, parameters).constants(cotangents))
    }

    fn constant_cotangents_of(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents_of: &mut dyn FnMut(DMatrix<f32>) -> DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        let outputs = DMatrix::zeros(self.rows, inputs.ncols());
        self.interface.check_shapes(inputs, parameters, &outputs)?;
        let pass = Pass::new(self, inputs, parameters);
        let cotangents = cotangents_of(pass.readings());
        Ok(pass.constants(&cotangents))
    }

    fn multiply_adds(&self) -> u64 {
        self.rows as u64 * self.channels as u64
    }
}
