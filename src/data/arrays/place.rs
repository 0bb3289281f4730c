//! Location of an array: an NPY file, or a name in an NPZ archive.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use npyz::npz::{array_name_from_file_name, file_name_from_array_name};
use zip::ZipArchive;
use zip::result::ZipError;

use super::super::names::{SHOWN, listed};
use super::npy::Npy;
use crate::Error;

/// Location of an array.
#[derive(Clone, Debug)]
pub(in crate::data) struct ArrayLocation {
    /// The file.
    pub path: PathBuf,
    /// Name in the archive; `None` for an NPY file.
    pub name: Option<String>,
}

const ADVICE: &str = "check the path in data.source";

impl ArrayLocation {
    /// Name of the array in messages: in the archive, or of the file without ending.
    pub fn called(&self) -> String {
        let stem = || self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.name.clone().unwrap_or_else(stem)
    }

    /// An error about the array.
    pub fn broken(&self, problem: &str) -> Error {
        let array = self.name.as_ref().map_or_else(String::new, |name| format!("array `{name}`: "));
        Error::Data { path: self.path.clone(), problem: format!("{array}{problem}") }
    }

    /// Opens the array and passes it to `take`.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be opened; [`Error::Data`] if it is damaged, if the archive has no such array,
    /// and for an error of `take`.
    pub(super) fn open<T>(
        &self,
        take: impl FnOnce(Npy<&mut dyn Read>) -> Result<T, String>,
    ) -> Result<T, Error> {
        let file = File::open(&self.path).map_err(Error::file(&self.path, ADVICE))?;
        let Some(name) = &self.name else {
            let size = file.metadata().map_err(Error::file(&self.path, ADVICE))?.len();
            let mut reader = BufReader::new(file);
            let array = Npy::open(&mut reader as &mut dyn Read, size).and_then(take);
            return array.map_err(|problem| match self.is_archive() {
                true => self.broken("it is an NPZ archive; name it in data.source.arrays.file, and its arrays in features and targets"),
                false => self.broken(&problem),
            });
        };
        let mut archive = archive(&self.path, file)?;
        let names = array_names(&archive);
        let mut entry = match archive.by_name(&file_name_from_array_name(name)) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => {
                return Err(Error::Data {
                    path: self.path.clone(),
                    problem: format!("it has no array `{name}`; it has {}", listed(&names, SHOWN)),
                });
            }
            Err(error) => {
                return Err(self.broken(&format!("{error}; save the archive again with np.savez")));
            }
        };
        let size = entry.size();
        Npy::open(&mut entry as &mut dyn Read, size)
            .and_then(take)
            .map_err(|problem| self.broken(&problem))
    }

    fn is_archive(&self) -> bool {
        let mut start = [0; 4];
        let read = File::open(&self.path).and_then(|mut file| file.read_exact(&mut start));
        read.is_ok() && &start == b"PK\x03\x04"
    }
}

/// Names of the arrays in the NPZ archive at `path`, sorted.
pub(in crate::data) fn names_in(path: &Path) -> Result<Vec<String>, Error> {
    let file = File::open(path).map_err(Error::file(path, ADVICE))?;
    Ok(array_names(&archive(path, file)?))
}

fn archive(path: &Path, file: File) -> Result<ZipArchive<BufReader<File>>, Error> {
    ZipArchive::new(BufReader::new(file)).map_err(|error| Error::Data {
        path: path.to_owned(),
        problem: format!(
            "not an NPZ archive, or cut short or damaged: {error}; save it again with np.savez (an NPY file is named as an array, without data.source.arrays.file)"
        ),
    })
}

fn array_names(archive: &ZipArchive<BufReader<File>>) -> Vec<String> {
    // A file with a name that is no text is no array of NumPy's.
    let files = archive.file_names().flatten();
    let names = files.filter_map(|file| array_name_from_file_name(&file).map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

/// Whether the name of `path` ends in `.` and `ending`, in upper or lower case.
pub(in crate::data) fn ends_in(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
}
