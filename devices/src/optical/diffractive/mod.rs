//! A diffractive network: coherent light through masks of trainable phases, with free space between them.
//!
//! ```text
//! u_0 = modulated light        u_(k+1) = P_k (t_k ∘ u_k), t_0 = 1        k = 0 … K
//! P_k = F⁻¹ H_k F              H_k(f) = exp(i 2π [z_k (√(1/λ² − |f|²) − 1/λ) + p f · (d_(k+1) − d_k)])
//! t_k = exp(i φ_k)             φ_k = θ_k + κ L θ_k + δ_k
//! z_k = z_k⁰ + ε_k p²/λ        y_b = clamp(s_b g ⟨|u_(K+1)|²⟩_b)
//! ```
//!
//! The fields u are on a grid of n × n pixels. A modulator sets the amplitudes of m × m squares of them, masks of pixels
//! (spatial light modulators) turn phases, and a camera reads the mean intensity of c × c squares. P is
//! the propagation through a gap by the angular spectrum, F the discrete Fourier transform: light that leaves the grid on
//! one side comes back on the other. Only the camera is not linear in the field. Drives, parameters and readings are row by row.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | x | amplitude of a square of the modulator, 0 to 1; row by row | 1 |
//! | θ | phase that a pixel of a mask is set to, −π to 3π; mask by mask, row by row | rad |
//! | y | reading of a bin | 1 |
//! | z, z⁰ | length of a gap, and by design | µm |
//! | λ, p | wavelength, side of a pixel | µm |
//! | f | frequencies of the grid, −1/2p to 1/2p | 1/µm |
//! | ε | error of a gap's length in units of p²/λ, over which a pixel's light spreads by a pixel | 1 |
//! | d_k | displacement of mask k across and down, none of the modulator (k = 0) and the camera (k = K + 1) | pixels |
//! | δ | error of a pixel's phase | rad |
//! | κ | crosstalk: the share of the difference from each neighbour's phase that a pixel takes | 1 |
//! | L | sum of the differences of its neighbours' phases, two to four, from a pixel's | |
//! | g, s_b | reading per intensity, sensitivity of a bin | 1 |
//!
//! The nominal network has s = 1 and ε = d = δ = κ = 0. The true one has drawn errors of lengths, places and phases,
//! crosstalk, and sensitivities that deviate by the mismatch; all of them can be learned. A phase that all pixels of a mask
//! have in common changes no reading.
//!
//! Sources: the network, Lin et al., Science 361, 1004 (2018), and with reconfigurable masks Zhou et al., Nature
//! Photonics 15, 367 (2021); the propagation, Goodman, Introduction to Fourier Optics, 3rd edition, eq. 3-74; leaking
//! phases of liquid crystals, Persson et al., Optics Express 20, 22334 (2012). Left out: dead space between pixels and the
//! light that it does not turn, reflections, polarisation, light that leaves the grid for good, and a spread of the wavelength.

mod as_built;
mod config;
mod ends;
mod fourier;
mod gap;
mod mask;
mod pass;
mod stack;
mod wave;
mod window;

pub use as_built::DiffractiveConstants;
pub use config::DiffractiveConfig;
pub use stack::Diffractive;

use nalgebra::{DMatrix, DVector};

use crate::{
    Constant, DeviceError, Differentiable, Inside, Interface, LinearisedEquation, PhysicalLayer,
};

use pass::{Pass, respond};

/// Multiply-adds of a butterfly: a complex product, a sum and a difference.
const MULTIPLY_ADDS_OF_A_BUTTERFLY: u64 = 6;

impl Diffractive {
    /// The complex fields that arrive at each mask and at the camera at the drives `inputs` `[m² × shots]` and `parameters`:
    /// real parts first, row by row, `[2 n² × shots]` each. The common phase 2πz/λ of a gap is left out.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit the interface.
    pub fn fields(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
    ) -> Result<Vec<DMatrix<f32>>, DeviceError> {
        let Interface { inputs: drives, parameters: phases, .. } = &self.interface;
        self.interface.check_size("inputs (channels)", drives.len(), inputs.nrows())?;
        self.interface.check_size("parameters", phases.len(), parameters.len())?;
        Ok(Pass::new(self, inputs, parameters).fields())
    }
}

impl PhysicalLayer for Diffractive {
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

impl Differentiable for Diffractive {
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
        // Its readings are not needed.
        pass.vjp(cotangents, cotangents, Some(input_cotangents), parameter_cotangents);
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
        let outputs = DMatrix::zeros(self.interface.outputs.len(), inputs.ncols());
        self.interface.check_shapes(inputs, parameters, &outputs)?;
        let pass = Pass::new(self, inputs, parameters);
        let cotangents = cotangents_of(pass.readings());
        Ok(pass.constants(&cotangents))
    }

    fn inside(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
    ) -> Result<Vec<Inside>, DeviceError> {
        let mut fields = self.fields(inputs, parameters)?;
        fields.pop();
        let pixels = self.pixels();
        let intensities = fields.into_iter().enumerate().map(|(mask, field)| Inside {
            name: format!("intensity at mask {}", mask + 1),
            unit: "1".to_owned(),
            values: DMatrix::from_fn(pixels, field.ncols(), |pixel, shot| {
                field[(pixel, shot)].powi(2) + field[(pixels + pixel, shot)].powi(2)
            }),
        });
        Ok(intensities.collect())
    }

    fn multiply_adds(&self) -> u64 {
        let (gaps, pixels) = (self.gaps.len() as u64, self.pixels() as u64);
        let butterflies = pixels * u64::from(self.grid.side.ilog2());
        2 * gaps * butterflies * MULTIPLY_ADDS_OF_A_BUTTERFLY
    }
}
