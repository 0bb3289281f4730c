//! Searches for data files in several folders.

use std::path::{Path, PathBuf};

use crate::Error;

/// Folders in which data files are searched for, in order.
#[derive(Clone, Debug, Default)]
pub struct Locator {
    folders: Vec<PathBuf>,
    /// Folders that the user named; files with an absolute path may have moved there.
    named: Vec<PathBuf>,
    /// Whether the named folders come before the absolute path itself.
    named_first: bool,
}

/// Folders of Debian's data sets.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/share/datasets", "/usr/share"];

impl Locator {
    /// Searches the recipe's folder, the working folder, `data_dir`, the folder in the environment variable
    /// `TWINPROP_DATA`, and the folders of Debian's packages.
    #[must_use]
    pub fn new(recipe_folder: &Path, data_dir: Option<&Path>) -> Self {
        let environment = std::env::var_os("TWINPROP_DATA").map(PathBuf::from);
        let named = [data_dir.map(Path::to_owned), environment];
        let named: Vec<PathBuf> = named.into_iter().flatten().collect();
        let folders = [Some(recipe_folder.to_owned()), Some(PathBuf::from("."))]
            .into_iter()
            .flatten()
            .chain(named.iter().cloned())
            .chain(SYSTEM_FOLDERS.map(PathBuf::from))
            .collect();
        Self { folders, named, named_first: false }
    }

    /// The same for the data of a run, which have absolute paths. Here `data_dir` comes first, since it may have the
    /// training's files.
    #[must_use]
    pub fn of_run(folder: &Path, data_dir: Option<&Path>) -> Self {
        Self { named_first: data_dir.is_some(), ..Self::new(folder, data_dir) }
    }

    /// The first existing file or folder `path`. A missing absolute path is searched for by its end in the folders that
    /// the user named: `/old/set/train.csv` as `set/train.csv`, then as `train.csv`.
    ///
    /// # Errors
    /// [`Error::Data`] lists the paths tried.
    pub fn find(&self, path: &Path) -> Result<PathBuf, Error> {
        let candidates: Vec<PathBuf> = if path.is_absolute() {
            let mut candidates: Vec<PathBuf> =
                self.named.iter().flat_map(|folder| moved(path, folder)).collect();
            let place = if self.named_first { candidates.len() } else { 0 };
            candidates.insert(place, path.to_owned());
            candidates
        } else {
            self.folders.iter().map(|folder| folder.join(path)).collect()
        };
        candidates.iter().find(|candidate| candidate.exists()).cloned().ok_or_else(|| {
            if let Some(folder) = self.named.iter().find(|folder| !folder.is_dir()) {
                return Error::Data {
                    path: path.to_owned(),
                    problem: format!(
                        "not found; {}, named by option `data_dir` or TWINPROP_DATA, is not a folder",
                        folder.display()
                    ),
                };
            }
            let places: Vec<String> =
                candidates.iter().map(|candidate| candidate.display().to_string()).collect();
            Error::Data {
                path: path.to_owned(),
                problem: format!(
                    "not found; tried {}. Name its folder with option `data_dir` or TWINPROP_DATA",
                    places.join(", ")
                ),
            }
        })
    }

    /// Replaces `path` by where it is found, so that a run's recipe can be read from anywhere.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn make_absolute(&self, path: &mut PathBuf) -> Result<(), Error> {
        let found = self.find(path)?;
        *path = found
            .canonicalize()
            .map_err(Error::file(&found, "check that the folders above it can be read"))?;
        Ok(())
    }
}

/// Candidates for the absolute `path` in `folder`: its ends, the longest first, and `folder` itself if it has the same
/// name.
fn moved(path: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut end = path.components();
    let mut found = Vec::new();
    end.next();
    while end.clone().next().is_some() {
        found.push(folder.join(end.as_path()));
        end.next();
    }
    if folder.file_name() == path.file_name() {
        found.push(folder.to_owned());
    }
    // Few, since the error message lists them.
    const LIKELY: usize = 4;
    found.split_off(found.len().saturating_sub(LIKELY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_files_are_found_by_the_end_of_their_path() {
        let place = tempfile::tempdir().expect("a folder");
        let here = place.path();
        std::fs::create_dir_all(here.join("set")).expect("made");
        std::fs::write(here.join("train.csv"), "").expect("written");
        std::fs::write(here.join("set/train.csv"), "").expect("written");
        let find = |data_dir: &Path, path: &str| {
            Locator::new(Path::new("/nowhere"), Some(data_dir)).find(Path::new(path))
        };
        let found = |path: &str| find(here, path).expect("found");
        assert_eq!(found("/old/set/train.csv"), here.join("set/train.csv"));
        assert_eq!(found("/old/other/train.csv"), here.join("train.csv"));
        assert_eq!(found("/old/set"), here.join("set"));
        assert_eq!(find(&here.join("set"), "/old/set").expect("found"), here.join("set"));
        // A named folder comes before the old path.
        let whole = here.join("train.csv");
        let of_run = |data_dir| Locator::of_run(here, data_dir).find(&whole).expect("found");
        assert_eq!(of_run(None), whole);
        assert_eq!(of_run(Some(here.join("set").as_path())), here.join("set/train.csv"));
        let lost = find(here, "/old/set/test.csv").expect_err("it does not exist").to_string();
        assert!(lost.contains("option `data_dir`") && lost.contains("/old/set/test.csv"), "{lost}");
        let lost = find(&here.join("absent"), "/old/x.csv").expect_err("no folder").to_string();
        assert!(lost.contains("is not a folder") && lost.contains("absent"), "{lost}");
        // Only in named folders, not in the working folder.
        Locator::new(here, None).find(Path::new("/old/train.csv")).expect_err("no folder is named");
    }
}
