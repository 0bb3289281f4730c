//! Reads the folders of runs again and again, for any number of pages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::epochs::Epochs;
use super::folders::Folders;
use super::run_state::{Stamps, run_state, stamps};
use crate::experiment::RunFolder;

/// Time between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Time between two searches for new runs.
const SEARCH_EVERY: Duration = Duration::from_secs(3);

/// What is known about the runs, for any thread.
pub(super) struct Follower {
    folders: Folders,
    known: Mutex<Known>,
    changed: Condvar,
}

#[derive(Default)]
struct Known {
    /// Grows with each change.
    version: u64,
    /// By their names in requests, in the order of their folders.
    runs: BTreeMap<PathBuf, Run>,
    /// The message about the last change, for all pages that know what was before.
    news: Arc<str>,
}

struct Run {
    id: String,
    /// The version at its last change.
    version: u64,
    /// What the page shows, as JSON on one line.
    json: String,
}

/// The version that a page has been sent; `None` before the first message.
#[derive(Debug, Default)]
pub(super) struct Sent(Option<u64>);

impl Known {
    /// The order of the runs, and those that have changed since `version`, as JSON on one line.
    fn message(&self, version: u64) -> Arc<str> {
        let order: Vec<&str> = self.runs.values().map(|run| run.id.as_str()).collect();
        let order = serde_json::json!(order);
        let changed = self.runs.values().filter(|run| run.version > version);
        let runs: Vec<&str> = changed.map(|run| run.json.as_str()).collect();
        format!("{{\"order\":{order},\"runs\":[{}]}}", runs.join(",")).into()
    }
}

impl Follower {
    /// Follows the runs in `folders` from now on, on a thread of its own.
    pub fn start(folders: Folders) -> Arc<Self> {
        let known = Mutex::new(Known::default());
        let follower = Arc::new(Self { folders, known, changed: Condvar::new() });
        let mut files = Files::default();
        follower.look(&mut files, true);
        let looking = Arc::clone(&follower);
        thread::spawn(move || {
            let mut searched = Instant::now();
            loop {
                thread::sleep(LOOK_EVERY);
                let searches = searched.elapsed() >= SEARCH_EVERY;
                if searches {
                    searched = Instant::now();
                }
                looking.look(&mut files, searches);
            }
        });
        follower
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // After a panic the runs are still valid.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what has changed, and `searches` for new runs.
    fn look(&self, files: &mut Files, searches: bool) {
        if searches {
            files.search(&self.folders);
        }
        let read: Vec<_> = files.runs.iter_mut().filter_map(RunFiles::read).collect();
        let mut known = self.known();
        let is_gone = |path: &PathBuf| !files.runs.iter().any(|run| run.path == *path);
        let before = known.runs.len();
        known.runs.retain(|path, _| !is_gone(path));
        if read.is_empty() && known.runs.len() == before {
            return;
        }
        known.version += 1;
        let version = known.version;
        for (path, id, json) in read {
            known.runs.insert(path, Run { id, version, json });
        }
        known.news = known.message(version - 1);
        drop(known);
        self.changed.notify_all();
    }

    /// The next message to a page that has been `sent` earlier ones, as JSON on one line: the order of the runs, and the
    /// runs that have changed. `None` if nothing changes `within` this time.
    pub fn next(&self, sent: &mut Sent, within: Duration) -> Option<Arc<str>> {
        let is_sent = |known: &mut Known| sent.0 == Some(known.version);
        let wait = self.changed.wait_timeout_while(self.known(), within, is_sent);
        let (known, _) = wait.unwrap_or_else(PoisonError::into_inner);
        let before = sent.0.replace(known.version);
        match before {
            Some(version) if version == known.version => None,
            Some(version) if version + 1 == known.version => Some(Arc::clone(&known.news)),
            before => Some(known.message(before.unwrap_or_default())),
        }
    }

    /// The folder of the run with the name `id`.
    pub fn folder_of(&self, id: &str) -> Option<PathBuf> {
        let known = self.known();
        known.runs.iter().find(|(_, run)| run.id == id).map(|(path, _)| path.clone())
    }

    /// The folders in words.
    pub fn in_words(&self) -> String {
        self.folders.in_words()
    }
}

/// The files of the runs, as they were read last.
#[derive(Default)]
struct Files {
    runs: Vec<RunFiles>,
}

struct RunFiles {
    path: PathBuf,
    id: String,
    stamps: Option<(Stamps, bool)>,
    epochs: Epochs,
    json: String,
}

impl Files {
    fn search(&mut self, folders: &Folders) {
        let found = folders.runs();
        self.runs.retain(|run| found.contains(&run.path));
        for path in found {
            if !self.runs.iter().any(|run| run.path == path) {
                self.runs.push(RunFiles::new(path));
            }
        }
    }
}

impl RunFiles {
    fn new(path: PathBuf) -> Self {
        let id = name_of(&path);
        Self { path, id, stamps: None, epochs: Epochs::default(), json: String::new() }
    }

    /// Path, name and JSON of the run if it has changed.
    fn read(&mut self) -> Option<(PathBuf, String, String)> {
        let stamps = stamps(&self.path);
        if self.stamps.as_ref() == Some(&stamps) {
            return None;
        }
        self.epochs.update(&self.path.join(RunFolder::METRICS));
        let state = run_state(&self.path, &self.id, &self.epochs, stamps.1).to_string();
        let json = format!("{{\"epochs\":{},{}", self.epochs.to_json(), &state[1..]);
        self.stamps = Some(stamps);
        if json == self.json {
            return None;
        }
        self.json.clone_from(&json);
        Some((self.path.clone(), self.id.clone(), json))
    }
}

/// A short name of the folder `path` that is the same in every process.
fn name_of(path: &Path) -> String {
    let sum = Sha256::digest(path.as_os_str().as_encoded_bytes());
    sum.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gets_everything_first_and_then_what_changes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = |name: &str| folder.path().join(name);
        for name in ["one", "two"] {
            std::fs::create_dir(run(name)).expect("a folder");
            std::fs::write(run(name).join(RunFolder::BEGUN), "{}").expect("a file");
        }
        let folders = Folders::new(&[folder.path().to_owned()]).expect("it exists");
        let follower = Follower::start(folders);
        let parsed = |text: Option<Arc<str>>| -> serde_json::Value {
            serde_json::from_str(&text.expect("a message")).expect("JSON")
        };
        let mut page = Sent::default();
        let first = parsed(follower.next(&mut page, Duration::ZERO));
        assert_eq!(first["runs"].as_array().map(Vec::len), Some(2), "{first}");
        assert_eq!(follower.next(&mut page, Duration::ZERO), None);

        let metrics = "{\"epoch\":1,\"train_loss\":0.5}\n";
        std::fs::write(run("two").join(RunFolder::METRICS), metrics).expect("a file");
        let next = parsed(follower.next(&mut page, Duration::from_secs(10)));
        assert_eq!(next["runs"].as_array().map(Vec::len), Some(1), "{next}");
        assert_eq!(next["runs"][0]["epochs"][0]["train_loss"], 0.5);
        let id = next["runs"][0]["id"].as_str().expect("a name");
        assert_eq!(follower.folder_of(id), Some(run("two")));
        let again = parsed(follower.next(&mut Sent::default(), Duration::ZERO));
        assert_eq!(again["runs"].as_array().map(Vec::len), Some(2), "a second page: {again}");
    }
}
