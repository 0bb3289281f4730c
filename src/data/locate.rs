//! Where data files are looked for.

use std::path::{Path, PathBuf};

use crate::Error;

/// Folders that hold data, in the order of the search.
#[derive(Clone, Debug, Default)]
pub struct Locator {
    folders: Vec<PathBuf>,
    /// Those of them that the user named: files that a run knows by their whole path may have moved there.
    named: Vec<PathBuf>,
    /// Whether they are looked into before the whole path itself.
    named_first: bool,
}

/// Where Debian's packages put data sets.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/share/datasets", "/usr/share"];

impl Locator {
    /// Looks beside the recipe, in the working folder, in `data_dir`, in the folder that the
    /// environment variable `TWINPROP_DATA` names, and where Debian's packages put data sets.
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

    /// The same for the data of a run, which knows its files by their whole paths: `data_dir` comes first, since
    /// who names it may have kept the training's files there.
    #[must_use]
    pub fn of_run(folder: &Path, data_dir: Option<&Path>) -> Self {
        Self { named_first: data_dir.is_some(), ..Self::new(folder, data_dir) }
    }

    /// The first existing file or folder `path`. A whole path that is not there is looked for by its end in
    /// the folders that the user named: `/old/set/train.csv` as `set/train.csv`, then as `train.csv`.
    ///
    /// # Errors
    /// [`Error::Data`] says where it was looked for.
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
                        "not found; {}, which option `data_dir` or TWINPROP_DATA names, is no folder",
                        folder.display()
                    ),
                };
            }
            let places: Vec<String> =
                candidates.iter().map(|candidate| candidate.display().to_string()).collect();
            Error::Data {
                path: path.to_owned(),
                problem: format!(
                    "not found; looked for {}. Name its folder with option `data_dir` or TWINPROP_DATA",
                    places.join(", ")
                ),
            }
        })
    }
}

/// Where the file or folder `path`, a whole path, may be in `folder`, the longest end of it first; a folder may
/// be `folder` itself.
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
    // The message of a file that is nowhere names the likely places.
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
        // Who names a folder has the training's files there, whatever lies at the old place now.
        let whole = here.join("train.csv");
        let of_run = |data_dir| Locator::of_run(here, data_dir).find(&whole).expect("found");
        assert_eq!(of_run(None), whole);
        assert_eq!(of_run(Some(here.join("set").as_path())), here.join("set/train.csv"));
        let lost = find(here, "/old/set/test.csv").expect_err("it is nowhere").to_string();
        assert!(lost.contains("option `data_dir`") && lost.contains("/old/set/test.csv"), "{lost}");
        let lost = find(&here.join("absent"), "/old/x.csv").expect_err("no folder").to_string();
        assert!(lost.contains("is no folder") && lost.contains("absent"), "{lost}");
        // Only where the user says: not in the working folder.
        Locator::new(here, None).find(Path::new("/old/train.csv")).expect_err("no folder is named");
    }
}
