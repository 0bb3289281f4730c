//! What can go wrong, in words for the person who can mend it.

use std::path::{Path, PathBuf};

use twinprop_calibration::CalibrationError;
use twinprop_devices::DeviceError;
use twinprop_devices::rig::RigError;

/// Any failure of the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A recipe is not what it should be.
    #[error("{}: {problem}", path.display())]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// Where in it, what is wrong, and what was expected.
        problem: String,
    },
    /// A data set is not what it should be.
    #[error("{}: {problem}", path.display())]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// Where in it, what is wrong, and what was expected.
        problem: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}; {advice}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// The command asks for something that is not there.
    #[error("{0}")]
    Usage(String),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The twin failed.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// A device is not what it was when its network was trained.
    #[error(
        "`{device}` has drifted; `twinprop evaluate {run}` says what is left of the accuracy, and `twinprop recalibrate {run}` brings the network back", run = run.display()
    )]
    Drifted {
        /// Name of the device in the recipe.
        device: String,
        /// The run's folder.
        run: PathBuf,
    },
    /// A run was cut off that can be resumed.
    #[error("{source}; what was done is kept; resume with `twinprop train --resume {run}`", run = run.display())]
    Cut {
        /// What cut it off.
        source: Box<Error>,
        /// The run's folder.
        run: PathBuf,
    },
    /// Ctrl-C; the text says how far it came and how to resume.
    #[error("{0}")]
    Interrupted(String),
    /// Training left the real numbers.
    #[error("training diverged in epoch {epoch}: the loss is {loss}; lower training.learning_rate")]
    Diverged {
        /// The epoch, from one.
        epoch: usize,
        /// The loss.
        loss: f32,
    },
}

/// Exit status of a program that Ctrl-C ended, as shells have it.
pub const INTERRUPTED: u8 = 130;
/// Exit status of a program that could not bring a device to its safe state for certain.
pub const MAY_BE_DRIVEN: u8 = 4;

impl Error {
    /// A [`File`](Self::File) error.
    pub fn file(path: &Path, advice: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source, advice }
    }

    /// Whether the input is at fault, so that the same again would fail again.
    #[must_use]
    pub fn is_input(&self) -> bool {
        self.exit_code() == 2
    }

    /// Exit status: 2 where the input is at fault, 1 where the work failed, 3 for a device that has
    /// drifted, 4 for a device that may still be driven, 130 after Ctrl-C.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Cut { source, .. } => source.exit_code(),
            Self::Device(DeviceError::Rig { error, .. })
            | Self::Calibration(CalibrationError::Device(DeviceError::Rig { error, .. })) => {
                match error {
                    RigError::NotSafe { .. } => MAY_BE_DRIVEN,
                    error if error.is_interruption() => INTERRUPTED,
                    _ => 1,
                }
            }
            Self::Device(DeviceError::Config { .. }) => 2,
            Self::Device(_)
            | Self::Diverged { .. }
            | Self::Calibration(CalibrationError::Device(_) | CalibrationError::Diverged { .. }) => {
                1
            }
            Self::Drifted { .. } => 3,
            Self::Interrupted(_) => INTERRUPTED,
            _ => 2,
        }
    }
}
