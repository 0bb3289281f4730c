//! Reads and writes files of a run's folder; each is complete or absent.

use serde::Serialize;
use serde::de::DeserializeOwned;
use twinprop_devices::write_whole;

use super::RunFolder;
use crate::Error;

impl RunFolder {
    /// Writes `text` to the file `name`.
    ///
    /// # Errors
    /// [`Error::File`] with the file's name.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        self.write_bytes(name, text.as_bytes())
    }

    /// Writes `bytes` to the file `name`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path.join(name);
        write_whole(&path, bytes)
            .map_err(Error::file(&path, "check that the disk has space and the folder is writable"))
    }

    /// Writes `value` to the JSON file `name`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Panics
    /// Never: what is written is plain data.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(value).expect("plain data");
        self.write(name, &(text + "\n"))
    }

    /// Reads the JSON file `name`; `advice` is for a file that cannot be read.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be read, [`Error::Data`] for a damaged one.
    pub(in crate::experiment) fn read_json<T: DeserializeOwned>(
        &self,
        name: &str,
        advice: &'static str,
    ) -> Result<T, Error> {
        let path = self.path.join(name);
        let text = std::fs::read_to_string(&path).map_err(Error::file(&path, advice))?;
        serde_json::from_str(&text)
            .map_err(|error| Error::Data { path, problem: error.to_string() })
    }

    /// Reads the file `name` with one JSON value per line; `advice` is for a file that cannot be read.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be read, [`Error::Data`] names a damaged line.
    pub(in crate::experiment) fn read_lines<T: DeserializeOwned>(
        &self,
        name: &str,
        advice: &'static str,
    ) -> Result<Vec<T>, Error> {
        let path = self.path.join(name);
        let text = std::fs::read_to_string(&path).map_err(Error::file(&path, advice))?;
        text.lines()
            .enumerate()
            .map(|(line, text)| {
                serde_json::from_str(text).map_err(|error| Error::Data {
                    path: path.clone(),
                    problem: format!("line {}: {error}", line + 1),
                })
            })
            .collect()
    }

    /// Writes `values` to the file `name`, one per line.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(in crate::experiment) fn write_lines<T: Serialize>(
        &self,
        name: &str,
        values: &[T],
    ) -> Result<(), Error> {
        self.write(name, &values.iter().map(line).collect::<String>())
    }
}

/// `value`, which is plain data, as a line of JSON.
pub(super) fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data") + "\n"
}
