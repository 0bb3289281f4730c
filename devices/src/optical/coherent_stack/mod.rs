//! A coherent photonic stack: meshes of Mach-Zehnder interferometers with activations between them, read only at its end.
//!
//! ```text
//! z_0 = M_0 x        z_k = M_k f(z_{k−1})        M_k = U_k diag(e^{iγ_k})
//! U_k = T_{N−1} … T_1 T_0
//! T   = ℓ diag(e^{iφ}, 1) B(δ_r) diag(e^{iθ/2}, e^{−iθ/2}) B(δ_l)
//! B(δ) = | cos (π/4 + δ)    i sin (π/4 + δ) |
//!        | i sin (π/4 + δ)  cos (π/4 + δ)   |
//! f(z) = √(1 − α) cos ψ e^{−iψ} z        ψ = g |z|² / 2 + φ_b / 2
//! y_j  = s_j |z_{K−1,j}|² / ‖s ∘ |z_{K−1}|²‖₂
//! ```
//!
//! Column c of a mesh has an interferometer on modes (i, i + 1) for every i of c's parity; a mode without one is multiplied
//! by −i, as is the lower arm of an interferometer in its bar state (Clements et al., Optica 3, 1460, 2016, fig. 1). x are complex
//! amplitudes, set as in-phase and quadrature parts or as amplitude and phase ([`Modulators`]); light keeps its phase from the first drive to the last detector. f is an
//! electro-optic activation (Williamson et al., IEEE J. Sel. Top. Quantum Electron. 26, 7700412, 2020, eq. 7). The
//! detectors' gain follows each shot, or is fixed ([`StackReadout`]). The stack is that of Zheng et al., Nature
//! Machine Intelligence 5, 1119 (2023).
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | x, z | complex amplitude of a mode | 1 |
//! | θ, φ | internal and external phase of an interferometer | rad |
//! | γ | phase of a mode before a mesh | rad |
//! | δ_l, δ_r | errors of an interferometer's two splitters, δ = −½ asin e | rad |
//! | ℓ | amplitude transmission of an interferometer | 1 |
//! | α, g, φ_b | tapped power, gain and bias of an activation | 1, rad, rad |
//! | s_j | sensitivity of a detector | 1 |
//! | y | share of the readings' root of summed squares | 1 |
//!
//! The true stack has errors of its splitters and of the phases θ and φ, drawn or read from files, thermal crosstalk (a
//! phase shifts its neighbours in the column by the share κ) and loss; the sensitivities of its detectors deviate by the
//! mismatch. Learned are δ, the errors of θ and φ, and s. Left out: reflections, and the spectrum of the light.

mod activation;
mod config;
mod errors;
mod haar;
mod interferometer;
mod matrices;
mod mesh;
mod modulators;
mod pass;
mod stack;

pub use config::{CoherentStackConfig, ErrorFiles, StackReadout};
pub use matrices::{StackConstants, StackMatrices};
pub use modulators::Modulators;
pub use stack::CoherentStack;

use nalgebra::{DMatrix, DVector};

use crate::{
    Constant, DeviceError, Differentiable, Inside, Interface, LinearisedEquation, PhysicalLayer,
};

use pass::{Pass, respond};

impl CoherentStack {
    /// The complex fields behind each mesh at the drives `inputs` `[2 N × shots]` and `parameters`, in-phase parts first:
    /// `[2 N × shots]` each.
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
        let pass = Pass::new(self, inputs, parameters);
        Ok(pass.fields())
    }
}

impl PhysicalLayer for CoherentStack {
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

impl Differentiable for CoherentStack {
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
        pass.vjp(&pass.readings(), cotangents, Some(input_cotangents), parameter_cotangents);
        Ok(())
    }

    fn uses_readings(&self) -> bool {
        self.readout == StackReadout::AutoRange
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
        let pass = Pass::new(self, inputs, parameters);
        Ok(pass.constants(&pass.readings(), cotangents))
    }

    fn constant_cotangents_of(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents_of: &mut dyn FnMut(DMatrix<f32>) -> DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        let outputs = DMatrix::zeros(self.modes, inputs.ncols());
        self.interface.check_shapes(inputs, parameters, &outputs)?;
        let pass = Pass::new(self, inputs, parameters);
        let readings = pass.readings();
        Ok(pass.constants(&readings, &cotangents_of(readings.clone())))
    }

    /// The powers behind all meshes but the last.
    fn inside(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
    ) -> Result<Vec<Inside>, DeviceError> {
        let mut fields = self.fields(inputs, parameters)?;
        fields.pop();
        let modes = self.modes;
        let powers = fields.into_iter().enumerate().map(|(mesh, field)| Inside {
            name: format!("power behind mesh {}", mesh + 1),
            unit: "1".to_owned(),
            values: DMatrix::from_fn(modes, field.ncols(), |mode, shot| {
                field[(mode, shot)].powi(2) + field[(modes + mode, shot)].powi(2)
            }),
        });
        Ok(powers.collect())
    }

    fn multiply_adds(&self) -> u64 {
        let (modes, meshes) = (self.modes as u64, self.meshes as u64);
        4 * modes * modes * meshes
    }
}
