//! The folders of runs below some folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Error;
use crate::experiment::RunFolder;
use crate::experiment::live::LIVE;

/// Depth of folders in which runs are looked for.
const DEEPEST: usize = 3;
/// Most runs of a page: those that were written last.
const MOST: usize = 60;

/// The folders to look in.
#[derive(Clone, Debug)]
pub struct Folders {
    roots: Vec<PathBuf>,
}

impl Folders {
    /// Runs in these folders, or in folders below them.
    ///
    /// # Errors
    /// [`Error::Usage`] if one of them does not exist.
    pub fn new(roots: &[PathBuf]) -> Result<Self, Error> {
        for root in roots {
            if !root.is_dir() {
                return Err(Error::Usage(format!(
                    "{} is not a folder; name the folder of a run, or one with runs in it",
                    root.display()
                )));
            }
        }
        Ok(Self { roots: roots.to_vec() })
    }

    /// The folders of runs that are there now, in the order of their names.
    pub fn runs(&self) -> Vec<PathBuf> {
        let mut found = BTreeSet::new();
        for root in &self.roots {
            collect(root, DEEPEST, &mut found);
        }
        let mut found: Vec<PathBuf> = found.into_iter().collect();
        if found.len() > MOST {
            found.sort_by_key(|run| std::cmp::Reverse(last_written(run)));
            found.truncate(MOST);
            found.sort();
        }
        found
    }

    /// The folders in words.
    pub fn in_words(&self) -> String {
        let names = self.roots.iter().map(|root| root.display().to_string());
        names.collect::<Vec<_>>().join(", ")
    }
}

fn collect(folder: &Path, deeper: usize, found: &mut BTreeSet<PathBuf>) {
    if folder.join(RunFolder::BEGUN).is_file() {
        found.insert(folder.to_owned());
        return;
    }
    if deeper == 0 {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), deeper - 1, found);
        }
    }
}

/// When the run in `run` was last written.
fn last_written(run: &Path) -> Option<SystemTime> {
    let written = |name: &str| fs::metadata(run.join(name)).and_then(|about| about.modified()).ok();
    [LIVE, RunFolder::METRICS, RunFolder::BEGUN].into_iter().filter_map(written).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_in_a_folder_and_below_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for run in ["one", "more/two", "more/two/inside", ".hidden/three", "a/b/c/d"] {
            let run = folder.path().join(run);
            fs::create_dir_all(&run).expect("a folder");
            fs::write(run.join(RunFolder::BEGUN), "{}").expect("a file");
        }
        let found = |root: &Path| Folders::new(&[root.to_owned()]).expect("it exists").runs();
        let (one, two) = (folder.path().join("one"), folder.path().join("more/two"));
        assert_eq!(found(folder.path()), [two, one.clone()]);
        assert_eq!(found(&one), [one]);
        assert!(Folders::new(&[folder.path().join("none")]).is_err());
    }
}
