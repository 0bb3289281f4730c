//! Errors: what is wrong, where, and what to do.

use std::path::{Path, PathBuf};

use twinprop_calibration::CalibrationError;
use twinprop_devices::DeviceError;

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe is invalid.
    #[error("{}: {problem}", path.display())]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// Where in it, what is wrong, and what was expected.
        problem: String,
    },
    /// A data set is invalid.
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
        /// The system's error.
        source: std::io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// A call cannot be carried out as asked. Options are named as in
    /// [`RunOptions`](crate::experiment::RunOptions).
    #[error("{0}")]
    Usage(String),
    /// A device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A twin failed.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// A device has drifted since its network was trained.
    #[error(
        "`{device}` has drifted; `experiment::evaluate_run({run})` measures the accuracy now, and `experiment::recalibrate_run({run})` recalibrates and fine-tunes the network", run = run.display()
    )]
    Drifted {
        /// Name of the device in the recipe.
        device: String,
        /// The run's folder.
        run: PathBuf,
    },
    /// A run was interrupted by an error and can be resumed.
    #[error("{source}; finished work is kept; resume with `experiment::resume({run})`", run = run.display())]
    Cut {
        /// The error that interrupted it.
        source: Box<Error>,
        /// The run's folder.
        run: PathBuf,
    },
    /// Ctrl-C; the text says how far the work got and how to resume it.
    #[error("{0}")]
    Interrupted(String),
    /// The training loss became NaN or infinite.
    #[error("training diverged in epoch {epoch}: the loss is {loss}; lower training.learning_rate")]
    Diverged {
        /// The epoch, counted from one.
        epoch: usize,
        /// The loss.
        loss: f32,
    },
    /// A gradient became NaN or infinite.
    #[error(
        "training diverged in epoch {epoch}: the gradient is NaN or infinite; lower training.learning_rate, or fix the loss or the twin that returns it"
    )]
    DivergedGradient {
        /// The epoch, counted from one.
        epoch: usize,
    },
}

impl Error {
    /// Returns a function that makes a [`File`](Self::File) error.
    pub fn file(path: &Path, advice: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source, advice }
    }

    /// Whether the input is at fault, so that a retry would fail as well: a recipe, data, a file, an option, or a
    /// device's configuration. Otherwise a device or the training failed, or the work was interrupted.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Cut { source, .. } => source.is_input(),
            Self::Device(error) => matches!(error, DeviceError::Config { .. }),
            Self::Calibration(error) => {
                !matches!(error, CalibrationError::Device(_) | CalibrationError::Diverged { .. })
            }
            Self::Diverged { .. }
            | Self::DivergedGradient { .. }
            | Self::Drifted { .. }
            | Self::Interrupted(_) => false,
            Self::Recipe { .. } | Self::Data { .. } | Self::File { .. } | Self::Usage(_) => true,
        }
    }
}
