//! Errors of calibration.

use std::path::PathBuf;

use twinprop_devices::DeviceError;

/// A failure to calibrate, save or load a twin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// The device failed while it was measured.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The error of a fit is not finite.
    #[error(
        "the twin's fit diverged in epoch {epoch} (loss {loss}); lower calibration.fit.learning_rate"
    )]
    Diverged {
        /// Epoch of the fit.
        epoch: usize,
        /// The loss.
        loss: f32,
    },
    /// The error of a refinement is not finite.
    #[error("a refinement of the twin diverged (error {error}); lower training.refinement.pace")]
    RefinementDiverged {
        /// The error, in units of the readings' variance.
        error: f32,
    },
    /// Too few shots for a fit.
    #[error("{0}")]
    TooFewShots(String),
    /// A twin is made of the device's equation, and the device has none.
    #[error(
        "a `{twin}` twin is made of the device's equation, and `{device}` has none; give the device a model, or choose a `neural` twin"
    )]
    NoEquation {
        /// The kind of twin, as recipes call it.
        twin: &'static str,
        /// The device.
        device: String,
    },
    /// A twin differentiates spikes, and the device has none.
    #[error(
        "a `{twin}` twin differentiates the spikes of a `lif_chip`, and `{device}` is none; choose a `learned_physics` or a `neural` twin"
    )]
    NoSpikes {
        /// The kind of twin, as recipes call it.
        twin: &'static str,
        /// The device.
        device: String,
    },
    /// The program that calls the library has not passed the device's twin.
    #[error(
        "the twin of `{device}` is a program's own, and was not passed; pass the twin that the run was trained with"
    )]
    NotGiven {
        /// The device.
        device: String,
    },
    /// An ensemble without a member.
    #[error("an ensemble needs at least one member")]
    EmptyEnsemble,
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold a twin.
    #[error("{}: not a twin: {problem}; calibrate again", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The twin was fitted to another interface.
    #[error(
        "{}: this twin belongs to another device: it has {what}, and the device {found}; calibrate a twin for this device or load it with the recipe that it was made with",
        path.display()
    )]
    OtherDevice {
        /// The twin's description file.
        path: PathBuf,
        /// What the twin has.
        what: String,
        /// What the device has.
        found: String,
    },
}
