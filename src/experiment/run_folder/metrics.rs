//! Metrics of a run, one line per epoch, and the return to an earlier epoch.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::files::line;
use super::{RunFolder, WRITABLE};
use crate::Error;
use crate::training::EpochMetrics;

const ADVICE: &str = "check that the disk has space and the folder is writable";

impl RunFolder {
    /// Removes what was written after the first `epochs` epochs, to resume the run there. Returns the metrics of these
    /// epochs.
    ///
    /// # Errors
    /// [`Error::Data`] if there are fewer epochs, and as [`write`](Self::write).
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
        let problem = format!(
            "it has {} of the {epochs} epochs that were trained; start the run again",
            metrics.len()
        );
        Err(Error::Data { path, problem })
    }

    /// Removes the shots of an interrupted calibration.
    ///
    /// # Errors
    /// [`Error::File`] if they cannot be removed.
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
    /// [`Error::File`] if that fails.
    pub fn metrics(&self) -> Result<MetricsFile, Error> {
        let path = self.path.join(Self::METRICS);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(Error::file(&path, WRITABLE))?;
        Ok(MetricsFile { path, file })
    }

    /// Reads the metrics of the run, one value per epoch.
    ///
    /// # Errors
    /// [`Error::File`] if there are no metrics, [`Error::Data`] names a damaged line.
    pub fn read_metrics(&self) -> Result<Vec<EpochMetrics>, Error> {
        self.read_lines(Self::METRICS, "name the folder of a run that has trained")
    }
}

/// Metrics file of a run in progress.
pub struct MetricsFile {
    path: PathBuf,
    file: File,
}

impl MetricsFile {
    /// Appends `value` as a line of JSON.
    ///
    /// # Errors
    /// [`Error::File`] if that fails.
    pub fn append(&mut self, value: &impl Serialize) -> Result<(), Error> {
        self.file.write_all(line(value).as_bytes()).map_err(Error::file(&self.path, ADVICE))
    }

    /// Waits until the lines are on the disk: a checkpoint must not outlive the epochs before it.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::file(&self.path, ADVICE))
    }
}
