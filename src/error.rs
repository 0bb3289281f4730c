//! What can go wrong, in words for the person who can mend it.

use std::path::{Path, PathBuf};

use twinprop_calibration::CalibrationError;
use twinprop_devices::DeviceError;

/// Any failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// A call asks for what cannot be done. Options are named as in [`RunOptions`](crate::experiment::RunOptions).
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
        "`{device}` has drifted; `experiment::evaluate_run({run})` measures the accuracy that it has now, and `experiment::recalibrate_run({run})` brings the network back", run = run.display()
    )]
    Drifted {
        /// Name of the device in the recipe.
        device: String,
        /// The run's folder.
        run: PathBuf,
    },
    /// A run was cut off that can be resumed.
    #[error("{source}; what was done is kept; resume with `experiment::resume({run})`", run = run.display())]
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

impl Error {
    /// A [`File`](Self::File) error.
    pub fn file(path: &Path, advice: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source, advice }
    }

    /// Whether the input is at fault, so that the same again would fail again: a recipe, data, a file, an option, or a
    /// device's configuration. Otherwise the work failed: a device, a training, or somebody who stopped it.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Cut { source, .. } => source.is_input(),
            Self::Device(error) => matches!(error, DeviceError::Config { .. }),
            Self::Calibration(error) => {
                !matches!(error, CalibrationError::Device(_) | CalibrationError::Diverged { .. })
            }
            Self::Diverged { .. } | Self::Drifted { .. } | Self::Interrupted(_) => false,
            Self::Recipe { .. } | Self::Data { .. } | Self::File { .. } | Self::Usage(_) => true,
        }
    }
}
