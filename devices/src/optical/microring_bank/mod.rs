//! A bank of microring resonators: a broadcast-and-weight network's matrix.
//!
//! ```text
//! y_m = clamp(k s_m Σ_k w_mk x_k)                  k = 1 / √N
//! w_mk = Σ_n (Π_{i<n} t_ik) d_nk − Π_n t_nk       the rings n = 0 … N − 1 of row m
//! d = 4 r₁ r₂ / (Δ² + r²)                          t = 1 − 4 r₁ (r₀ + r₂) / (Δ² + r²)        r = r₀ + r₁ + r₂
//! Δ_nk = L (k − n) + Δ₀ − r o_n − η e_n Σ_j κ^|n−j| P_j
//! ```
//!
//! Light on N wavelengths, of the powers x, is divided among the rows. In each row it passes N rings on one bus; each is
//! tuned to its own wavelength by a heater, takes some of it to a drop waveguide, and a balanced detector reads what was
//! dropped minus what passed (Tait et al., Scientific Reports 7, 7430, 2017; IEEE J. Sel. Top. Quantum Electron. 22,
//! 5900214, 2016). A ring's transmissions are those of coupled-mode theory (Little et al., J. Lightwave Technol. 15, 998,
//! 1997). Trained are the heaters' powers P, row by row.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | x | power of a wavelength | 1 |
//! | w | weight, −1 to 1 | 1 |
//! | d, t | shares of a wavelength that a ring drops and lets pass | 1 |
//! | r₀, r₁, r₂ | decay rates of a ring's amplitude: lost, to the bus, to the drop waveguide | GHz |
//! | Δ | detuning of a wavelength from a ring's resonance | GHz |
//! | L | distance of two wavelengths | GHz |
//! | Δ₀ | detuning of a cold ring: r in the middle of the heater's range | GHz |
//! | o | error of a resonance | r |
//! | η, e | shift by a heater, and its relative efficiency | GHz/mW, 1 |
//! | κ | thermal crosstalk from a ring to the next one | 1 |
//! | s | relative sensitivity of a detector | 1 |
//!
//! The nominal bank has o = 0, e = s = 1 and κ = 0. The fabricated one has errors of its resonances and crosstalk, as the
//! configuration says, and deviates in e and s by the mismatch; its resonances drift with its other constants. All of them
//! can be learned. Left out: light that a ring drops and a later ring of its row returns, heating of a ring by its own
//! light, and resonances of a ring other than its next one.

mod bank;
mod config;
mod heat;
mod ring;
mod row;

pub use bank::MicroringBank;
pub use config::MicroringBankConfig;
pub use ring::{Microring, Transmission};

use nalgebra::{DMatrix, DVector};

use crate::{Constant, DeviceError, Differentiable, Interface, PhysicalLayer};

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
        self.read(inputs, parameters, outputs);
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
        let pulled = self.pull_back(inputs, parameters, cotangents);
        input_cotangents.copy_from(&pulled.inputs);
        parameter_cotangents.as_mut_slice().copy_from_slice(&pulled.parameters);
        Ok(())
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
        Ok(self.pull_back(inputs, parameters, cotangents).constants)
    }

    fn multiply_adds(&self) -> u64 {
        self.channels as u64 * self.rows as u64
    }
}
