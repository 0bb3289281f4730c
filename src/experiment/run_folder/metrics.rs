//! The metrics of a run, a line an epoch, and the way back to an earlier epoch.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::files::line;
use super::{RunFolder, WRITABLE};
use crate::Error;
use crate::training::EpochMetrics;

impl RunFolder {
    /// Forgets what has been written since the first `epochs` epochs, so that the run can go on from
    /// there; returns their metrics.
    ///
    /// # Errors
    /// [`Error::Data`] where there are fewer, and as [`write`](Self::write).
    pub(in crate::experiment) fn go_back_to(
        &self,
        epochs: usize,
    ) -> Result<Vec<EpochMetrics>, Error> {
        let path = self.path.join(Self::METRICS);
        let text = if path.exists() {
            std::fs::read_to_string(&path).map_err(Error::file(&path, WRITABLE))?
        } else {
            String::new()
        };
        let kept: Vec<&str> = text.split_inclusive('\n').take(epochs).collect();
        self.write(Self::METRICS, &kept.concat())?;
        let reference = self.path.join(Self::REFERENCE);
        if reference.exists() {
            std::fs::remove_dir_all(&reference).map_err(Error::file(&reference, WRITABLE))?;
        }
        let metrics = self.read_metrics()?;
        if metrics.len() == epochs {
            return Ok(metrics);
        }
        let problem = format!("it has {} epochs of the {epochs} that were trained", metrics.len());
        Err(Error::Data { path, problem })
    }

    /// Forgets the shots of a calibration that was cut off.
    ///
    /// # Errors
    /// [`Error::File`] where they cannot be removed.
    pub(in crate::experiment) fn forget_shots(&self) -> Result<(), Error> {
        let path = self.path.join(Self::SHOTS);
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(Error::file(&path, WRITABLE))?;
        }
        Ok(())
    }

    /// Opens the metrics for appending.
    ///
    /// # Errors
    /// [`Error::File`] where that fails.
    pub fn metrics(&self) -> Result<MetricsFile, Error> {
        let path = self.path.join(Self::METRICS);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(Error::file(&path, WRITABLE))?;
        Ok(MetricsFile { path, file })
    }

    /// The metrics of the run, a value an epoch.
    ///
    /// # Errors
    /// [`Error::File`] where there are none, [`Error::Data`] names a damaged line.
    pub fn read_metrics(&self) -> Result<Vec<EpochMetrics>, Error> {
        self.read_lines(Self::METRICS, "name the folder of a run that has trained")
    }
}

/// The metrics of a run in progress.
pub struct MetricsFile {
    path: PathBuf,
    file: File,
}

impl MetricsFile {
    /// Appends one line.
    ///
    /// # Errors
    /// [`Error::File`] where that fails.
    pub fn append(&mut self, value: &impl Serialize) -> Result<(), Error> {
        self.file
            .write_all(line(value).as_bytes())
            .map_err(Error::file(&self.path, "see that there is room, and that it may be written"))
    }
}
