//! Matrices of a run's folder as NumPy arrays.

use nalgebra::{DMatrix, Scalar};
use npyz::{AutoSerialize, Deserialize, NpyFile, WriterBuilder};

use super::run_folder::RunFolder;
use crate::Error;

impl RunFolder {
    /// Writes `values` `[rows × samples]` to the file `name`, as an array `[samples, rows]`.
    pub(super) fn write_array<T: AutoSerialize + Scalar>(
        &self,
        name: &str,
        values: &DMatrix<T>,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let shape = [values.ncols() as u64, values.nrows() as u64];
        let written = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&shape)
            .writer(&mut bytes)
            .begin_nd()
            .and_then(|mut writer| {
                writer.extend(values.iter().cloned())?;
                writer.finish()
            });
        written.map_err(Error::file(&self.path().join(name), "see that the disk has space"))?;
        self.write_bytes(name, &bytes)
    }

    /// The array `[samples, rows]` in the file `name`, as `[rows × samples]`; `None` where there is no such file.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read, [`Error::Data`] for a damaged file.
    pub(super) fn read_array<T: Deserialize + Scalar>(
        &self,
        name: &str,
    ) -> Result<Option<DMatrix<T>>, Error> {
        let path = self.path().join(name);
        if !path.exists() {
            return Ok(None);
        }
        let damaged = |problem: String| Error::Data { path: path.clone(), problem };
        let bytes = std::fs::read(&path).map_err(Error::file(&path, "let it be read"))?;
        let file = NpyFile::new(&bytes[..]).map_err(|error| damaged(error.to_string()))?;
        let &[samples, rows] = file.shape() else {
            return Err(damaged(format!(
                "its shape is {:?}; it should have two axes",
                file.shape()
            )));
        };
        let values = file.into_vec::<T>().map_err(|error| damaged(error.to_string()))?;
        Ok(Some(DMatrix::from_vec(rows as usize, samples as usize, values)))
    }
}
