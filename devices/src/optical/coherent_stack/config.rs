//! A stack as a recipe describes it.

use std::f64::consts::PI;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::modulators::Modulators;
use crate::validate;

/// A coherent stack of meshes, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CoherentStackConfig {
    /// Modes N of each mesh, two or more: inputs 2 N, outputs N.
    #[serde(deserialize_with = "validate::count")]
    pub modes: usize,
    /// Meshes K, each with N² parameters; between them are K − 1 activations.
    #[serde(deserialize_with = "validate::count")]
    pub meshes: usize,
    /// Standard deviation of the true splitters' errors e: a splitter passes the share (1 + e) / 2 of the power.
    #[serde(deserialize_with = "validate::non_negative")]
    pub splitter_error: f64,
    /// Standard deviation of the true phases θ and φ about those that were set, in rad.
    #[serde(deserialize_with = "validate::non_negative")]
    pub phase_error: f64,
    /// Files with the true errors, instead of drawn ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_files: Option<ErrorFiles>,
    /// Thermal crosstalk κ of the true meshes: a phase shifts its neighbours in the column by this share.
    #[serde(deserialize_with = "validate::part")]
    pub crosstalk: f64,
    /// Loss of the true interferometers, in dB of power each.
    #[serde(deserialize_with = "validate::non_negative")]
    pub loss_db: f64,
    /// Standard deviation of that loss among the interferometers, as a share of it.
    #[serde(deserialize_with = "validate::non_negative")]
    pub loss_spread: f64,
    /// Share α of the power that an activation taps off for its detector.
    #[serde(deserialize_with = "validate::part")]
    pub tapped: f64,
    /// Phase g of an activation per unit of power, in rad.
    pub gain: f64,
    /// Phase φ_b of an activation in the dark, in rad.
    pub bias: f64,
    /// The parts of the complex amplitudes that the drives are.
    pub modulators: Modulators,
    /// Largest amplitude of a drive, also of its in-phase and its quadrature part, which go down to its negative.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_drive: f64,
    /// How the detectors at the end are read.
    pub readout: StackReadout,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

/// Folders with the errors of the true interferometers: in the folder `Iter0` of mesh 0, `Iter1`, …, an array `[column]
/// [pair]` each, in NumPy's format. The last pair of an odd column is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorFiles {
    /// Folder of the splitters' errors e, `e_l.npy` and `e_r.npy`; none without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub splitters: Option<PathBuf>,
    /// Folder of the phases' errors in rad, `theta_errors.npy` and `phi_errors.npy`; none without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<PathBuf>,
}

/// How the detectors are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StackReadout {
    /// With a gain that follows each shot: readings are shares of the root of the summed squared powers.
    #[default]
    AutoRange,
    /// Powers, up to this one at which a detector saturates.
    FullScale(#[serde(deserialize_with = "validate::positive")] f64),
}

impl Default for CoherentStackConfig {
    /// Three perfect meshes of sixteen modes, with the activation of Zheng et al. (2023).
    fn default() -> Self {
        Self {
            modes: 16,
            meshes: 3,
            splitter_error: 0.0,
            phase_error: 0.0,
            error_files: None,
            crosstalk: 0.0,
            loss_db: 0.0,
            loss_spread: 0.0,
            tapped: 0.1,
            gain: 0.05 * PI,
            bias: PI,
            modulators: Modulators::default(),
            largest_drive: 32.0,
            readout: StackReadout::AutoRange,
            seconds_per_shot: 1e-6,
        }
    }
}
