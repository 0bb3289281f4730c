//! A chip of leaky integrate-and-fire neurons, driven and read by spikes.
//!
//! ```text
//! x[t] = W s_in[t−1] + R s[t−1]
//! p[t] = (1 − 1/τ_s) p[t−1] + x[t]
//! v[t] = (1 − 1/τ_m) v[t−1] + p[t] / τ_s          0 while refractory
//! s[t] = 1 where v[t] > ν; then v[t] ← 0, and the neuron is refractory for T_ref steps
//! ```
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | s_in, s | spikes of the N input lines and of the M neurons in each of T steps: 0 or 1 | 1 |
//! | W, R | weights of the synapses from the lines and from the other neurons | 1 |
//! | p, v | synaptic current and membrane of a neuron | 1 |
//! | τ_s, τ_m | time constants of the current and of the membrane | steps |
//! | ν, T_ref | threshold and refractory time | 1, steps |
//!
//! Trained are W and R, source after source: `W[source][neuron]`. Drives and readings are rasters, step by step with a
//! cell for each line or neuron.
//!
//! The nominal chip has neurons of the same constants. Those of the true chip deviate by the mismatch, with log-normal
//! factors; its synapses have a fixed pattern of gains, its membranes noise, and its link loses spikes or records them
//! late. τ_m, τ_s, ν and the gains can be learned. The weights of both are quantised to a sign and some bits.
//!
//! Sources: the neuron, Zhang & Li, Advances in Neural Information Processing Systems 32 (2019), eqs. 1 to 4; the
//! imperfections are those of analog neuromorphic chips, Pehle et al., Frontiers in Neuroscience 16, 795876 (2022).
//! Left out: plasticity on the chip, short-term depression, conductance-based synapses, and limits of the link's rate.

mod as_built;
mod chip;
mod config;
mod link;
mod memory;
mod pass;
mod player;

pub use as_built::LifChipConstants;
pub use chip::{LifChip, SpikeGradient};
pub use config::{LifChipConfig, LifReadout};

use nalgebra::{DMatrix, DVector};

use crate::{
    Constant, DeviceError, Differentiable, Interface, LinearisedEquation, PhysicalLayer, Usage,
};

use pass::Pass;
use player::{measure, respond};

impl PhysicalLayer for LifChip {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let shots = self.interface.check_shapes(inputs, parameters, outputs)?;
        measure(self, inputs, &[parameters.as_slice()], outputs);
        self.shots += shots as u64;
        Ok(())
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let shots = self.interface.check_shapes_of_each(inputs, parameters, outputs)?;
        let settings: Vec<&[f32]> =
            parameters.as_slice().chunks(parameters.nrows().max(1)).collect();
        measure(self, inputs, &settings, outputs);
        self.shots += shots as u64;
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage::after(self.shots)
    }

    fn resume(&mut self, usage: &Usage) {
        self.shots = usage.shots;
    }
}

impl Differentiable for LifChip {
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

    /// At the spikes of the equation.
    fn vjp(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, cotangents)?;
        let readings = self.readings(inputs, parameters, cotangents.nrows());
        let pass = Pass::new(self, inputs, parameters);
        pass.vjp(&readings, cotangents, Some(input_cotangents), parameter_cotangents);
        Ok(())
    }

    fn uses_readings(&self) -> bool {
        self.readout != LifReadout::Counts
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
        let readings = self.readings(inputs, parameters, cotangents.nrows());
        Ok(Pass::new(self, inputs, parameters).constants(&readings, cotangents))
    }

    /// The negative log-likelihood of the measured spikes.
    fn misfit(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        readings: &DMatrix<f32>,
    ) -> Option<Result<(f32, Vec<f32>), DeviceError>> {
        if self.readout == LifReadout::Counts {
            return None;
        }
        let fits = self.interface.check_shapes(inputs, parameters, readings);
        Some(fits.map(|_| Pass::new(self, inputs, parameters).misfit(readings)))
    }

    /// Every source's synapses in a twentieth of the steps, and the neurons in each of them.
    fn multiply_adds(&self) -> u64 {
        let neurons = self.neurons() as u64;
        let sources = self.interface.parameters.len() as u64 / neurons.max(1);
        self.steps as u64 * neurons * (sources / 20 + 3)
    }
}

impl LifChip {
    fn readings(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        rows: usize,
    ) -> DMatrix<f32> {
        let mut readings = DMatrix::zeros(rows, inputs.ncols());
        respond(self, inputs, parameters, &mut readings);
        readings
    }
}
