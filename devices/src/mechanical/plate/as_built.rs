//! A plate's equation as numbers, for a computation of it elsewhere.

use super::Plate;
use super::config::Detection;
use super::detectors::{DETECTOR_FLOOR, FULL_SCALE};

/// The constants of the equation of one copy.
///
/// A step from (q, v) under the force f, with v = q̇ in units of the step's inverse and S = Σ Ω_n q_n²:
///
/// ```text
/// q ← a q + b (v − κ Ω S q) + g_q f
/// v ← c q + d (v − κ Ω S q) + g_v f
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PlateConstants {
    /// Sample of each data value, then of each parameter.
    pub placement: Vec<usize>,
    /// Integration steps a sample.
    pub steps_per_sample: usize,
    /// Steps after which each reading is taken. With modal envelopes: after which each window ends.
    pub read_after: Vec<usize>,
    /// The quantity that is read.
    pub detection: Detection,
    /// κ: γ times the squared step.
    pub kick: f32,
    /// ε of modal envelopes.
    pub floor: f32,
    /// Readings are clamped to minus and plus this.
    pub full_scale: f32,
    /// The modes, the lowest first.
    pub modes: Vec<PlateMode>,
}

/// One mode of a copy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateMode {
    /// a, b, c and d.
    pub matrix: [f32; 4],
    /// g_q and g_v.
    pub force: [f32; 2],
    /// Ω_m.
    pub ratio: f32,
    /// G ψ_m; with modal envelopes G_m.
    pub gain: f32,
}

impl Plate {
    /// The constants of this copy's equation, for code that integrates it by other means.
    #[must_use]
    pub fn as_built(&self) -> PlateConstants {
        let plate = self.equation();
        let sampling = plate.sampling;
        let modes = plate.modes.iter().zip(&plate.gains).map(|(mode, gain)| PlateMode {
            matrix: mode.matrix,
            force: mode.force,
            ratio: mode.ratio,
            gain: gain * mode.pickup,
        });
        PlateConstants {
            placement: plate.placement.clone(),
            steps_per_sample: sampling.steps() / plate.placement.len(),
            read_after: (0..sampling.readings()).map(|place| sampling.read_after(place)).collect(),
            detection: plate.detection,
            kick: plate.tension * plate.factors.tension,
            floor: DETECTOR_FLOOR,
            full_scale: FULL_SCALE,
            modes: modes.collect(),
        }
    }
}
