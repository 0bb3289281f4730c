//! Where data files are looked for.

use std::path::{Path, PathBuf};

use crate::Error;

/// Folders that hold data, in the order of the search.
#[derive(Clone, Debug, Default)]
pub struct Locator {
    folders: Vec<PathBuf>,
}

/// Where Debian's packages put data sets.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/share/datasets", "/usr/share"];

impl Locator {
    /// Looks beside the recipe, in the working folder, in `data_dir`, in the folder that the
    /// environment variable `TWINPROP_DATA` names, and where Debian's packages put data sets.
    #[must_use]
    pub fn new(recipe_folder: &Path, data_dir: Option<&Path>) -> Self {
        let environment = std::env::var_os("TWINPROP_DATA").map(PathBuf::from);
        let folders = [Some(recipe_folder.to_owned()), Some(PathBuf::from("."))]
            .into_iter()
            .chain([data_dir.map(Path::to_owned), environment])
            .flatten()
            .chain(SYSTEM_FOLDERS.map(PathBuf::from))
            .collect();
        Self { folders }
    }

    /// The first existing file or folder `path`.
    ///
    /// # Errors
    /// [`Error::Data`] says where it was looked for.
    pub fn find(&self, path: &Path) -> Result<PathBuf, Error> {
        let candidates: Vec<PathBuf> = if path.is_absolute() {
            vec![path.to_owned()]
        } else {
            self.folders.iter().map(|folder| folder.join(path)).collect()
        };
        candidates.iter().find(|candidate| candidate.exists()).cloned().ok_or_else(|| {
            let places: Vec<String> =
                candidates.iter().map(|candidate| candidate.display().to_string()).collect();
            Error::Data {
                path: path.to_owned(),
                problem: format!(
                    "not found; looked for {}. Name its folder with --data-dir or TWINPROP_DATA",
                    places.join(", ")
                ),
            }
        })
    }
}
