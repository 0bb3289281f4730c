//! Lock of a folder, so that only one process writes it.
//!
//! The operating system locks the file [`FILE`] in the folder. The lock ends with its process, also in a crash. The
//! file names the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::provenance;
use crate::Error;

/// Name of the locked file.
pub(super) const FILE: &str = ".lock";
/// Number of attempts, and the pause between them, to read the owner of a lock while its file is empty.
const UNSIGNED_LOOKS: usize = 25;
/// Number of attempts to take a lock whose owner is known: a process that looks whether a folder is locked holds the lock
/// for an instant.
const SIGNED_LOOKS: usize = 3;
const UNSIGNED_PAUSE: Duration = Duration::from_millis(10);
const WRITABLE: &str = "name a folder that can be written with option `out`";

/// Lock of a folder by this process; dropping it releases the folder.
#[derive(Debug)]
pub(super) struct FolderLock {
    file: File,
    /// Warning about a file system without locks.
    pub warning: Option<String>,
}

impl FolderLock {
    /// Locks the existing `folder`.
    ///
    /// # Errors
    /// [`Error::Usage`] names another process that has the lock, [`Error::File`] if the lock's file cannot be
    /// written.
    pub fn acquire(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(Error::file(&path, WRITABLE))?;
        let mut warning = None;
        // Between locking and signing, and between clearing and unlocking, the file is empty.
        for look in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let owner = owner_of(&mut file);
                    let looks = if owner.is_none() { UNSIGNED_LOOKS } else { SIGNED_LOOKS };
                    if look < looks {
                        thread::sleep(UNSIGNED_PAUSE);
                        continue;
                    }
                    return Err(Error::Usage(format!(
                        "{} is being written by {}; wait until it ends, or name another folder",
                        folder.display(),
                        owner.as_deref().unwrap_or("another process")
                    )));
                }
                Err(TryLockError::Error(error)) => {
                    warning = Some(format!(
                        "{}: this file system has no locks ({error}); make sure that no other process writes the folder",
                        folder.display()
                    ));
                    break;
                }
            }
        }
        let mut lock = Self { file, warning };
        lock.sign(&owner()).map_err(Error::file(&path, WRITABLE))?;
        Ok(lock)
    }

    fn sign(&mut self, owner: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(owner.as_bytes())
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // The lock ends when the file closes; the owner's name is no longer valid.
        let _ = self.file.set_len(0);
    }
}

/// Whether a process has locked `folder`; `None` if the file system has no locks.
pub(super) fn is_locked(folder: &Path) -> Option<bool> {
    let Ok(file) = File::open(folder.join(FILE)) else { return Some(false) };
    match file.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

/// The owner of the lock on `file`, in words; `None` if the file is empty or the system does not allow reading it.
fn owner_of(file: &mut File) -> Option<String> {
    let mut owner = String::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut owner)).ok()?;
    let owner = owner.trim();
    (!owner.is_empty()).then(|| owner.to_owned())
}

/// Most characters shown of the owner's command line.
const LONGEST_COMMAND: usize = 200;

/// `command` on one line, cut to [`LONGEST_COMMAND`] characters.
fn shortened(command: &str) -> String {
    let one_line = command.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut text: String = one_line.clone().take(LONGEST_COMMAND).collect();
    if one_line.count() > LONGEST_COMMAND {
        text.pop();
        text.push('…');
    }
    text
}

/// Description of this process.
fn owner() -> String {
    let program = shortened(&provenance::command_line());
    let computer = provenance::computer().map_or_else(String::new, |name| format!(" on {name}"));
    let (pid, since) = (std::process::id(), provenance::now());
    format!("process {pid}{computer} (`{program}`, since {since})\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_owner() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = FolderLock::acquire(folder.path()).expect("nobody has it");
        let error = FolderLock::acquire(folder.path()).expect_err("it is taken").to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        FolderLock::acquire(folder.path()).expect("it is free again");
    }

    #[test]
    fn only_a_long_command_line_is_cut() {
        let short = "twinprop train recipe.toml --out run";
        assert_eq!(shortened(short), short);
        assert_eq!(shortened("sh -c 'one\ntwo'"), "sh -c 'one two'");
        let exact = "é".repeat(LONGEST_COMMAND);
        assert_eq!(shortened(&exact), exact);
        let long = shortened(&"é".repeat(LONGEST_COMMAND + 1));
        assert_eq!(long.chars().count(), LONGEST_COMMAND);
        assert!(long.ends_with("é…"), "{long}");
    }
}
