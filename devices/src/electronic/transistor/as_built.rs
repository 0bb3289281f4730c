//! The constants of one copy's equation, for code that integrates it by other means.

use super::circuit::{GAMMA, ITERATIONS, THERMAL_VOLTS};
use super::{READING, Transistor};

/// The constants of one copy's equation in units of V, mA and steps, and those of its integration.
#[derive(Clone, Debug)]
pub struct TransistorConstants {
    /// Sample of each data value, then of each parameter.
    pub placement: Vec<usize>,
    /// Integration steps a sample.
    pub steps_per_sample: usize,
    /// Steps after which each reading is taken, in rising order.
    pub read_after: Vec<usize>,
    /// h/L, with h the time of a step.
    pub per_inductance: f32,
    /// h/C.
    pub per_capacitance: f32,
    /// R.
    pub resistance: f32,
    /// 2 n β U_T².
    pub specific: f32,
    /// V_T.
    pub threshold: f32,
    /// n.
    pub slope_factor: f32,
    /// λ.
    pub modulation: f32,
    /// a.
    pub gate_share: f32,
    /// U_B.
    pub gate_bias: f32,
    /// U_T.
    pub thermal_volts: f32,
    /// Readings saturate at plus and minus this.
    pub full_scale: f32,
    /// γ of Alexander's method.
    pub gamma: f32,
    /// Newton's iterations a stage.
    pub iterations: usize,
}

impl Transistor {
    /// The constants of this copy's equation, for code that integrates it by other means.
    #[must_use]
    pub fn as_built(&self) -> TransistorConstants {
        let equation = self.equation();
        let (circuit, sampling) = (&equation.circuit, &equation.sampling);
        TransistorConstants {
            placement: equation.placement.clone(),
            steps_per_sample: equation.config.steps_per_sample,
            read_after: (0..sampling.readings())
                .map(|reading| sampling.read_after(reading))
                .collect(),
            per_inductance: circuit.per_inductance,
            per_capacitance: circuit.per_capacitance,
            resistance: circuit.resistance,
            specific: circuit.specific,
            threshold: circuit.threshold,
            slope_factor: circuit.slope_factor,
            modulation: circuit.modulation,
            gate_share: circuit.gate_share,
            gate_bias: circuit.gate_bias,
            thermal_volts: THERMAL_VOLTS,
            full_scale: READING * equation.config.largest_volts as f32,
            gamma: GAMMA,
            iterations: ITERATIONS,
        }
    }
}
