//! One process writes a folder at a time.
//!
//! The lock is the operating system's, on the file [`FILE`] in the folder: it ends with its process, however
//! that ends, and so needs no clean-up after a crash. The file says who has it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::provenance;
use crate::Error;

/// Name of the file that is locked.
pub(super) const FILE: &str = ".lock";
/// So often, and with such pauses, a lock is looked at whose owner has no name.
const UNSIGNED_LOOKS: usize = 25;
const UNSIGNED_PAUSE: Duration = Duration::from_millis(10);
const WRITABLE: &str = "name a folder that can be written with option `out`";

/// A folder that this process writes, until it is dropped.
#[derive(Debug)]
pub(super) struct FolderLock {
    file: File,
    /// What to know about a file system that has no locks.
    pub warning: Option<String>,
}

impl FolderLock {
    /// Locks `folder`, which is there.
    ///
    /// # Errors
    /// [`Error::Usage`] with who has it where another process does, [`Error::File`] where the lock's file
    /// cannot be written.
    pub fn acquire(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(Error::file(&path, WRITABLE))?;
        let mut warning = None;
        // Between locking and signing, and between unsigning and unlocking, the owner has no name.
        for look in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let owner = owner_of(&mut file);
                    if owner.is_none() && look < UNSIGNED_LOOKS {
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
                        "{}: this file system has no locks ({error}): see that no other process writes the folder",
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
        // The lock ends with the file; who had it is then of no use.
        let _ = self.file.set_len(0);
    }
}

/// Who has locked `file`, in words, if it says; some systems let nobody else read a locked file.
fn owner_of(file: &mut File) -> Option<String> {
    let mut owner = String::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut owner)).ok()?;
    let owner = owner.trim();
    (!owner.is_empty()).then(|| owner.to_owned())
}

/// Most characters that are told of the owner's command line.
const LONGEST_COMMAND: usize = 200;

/// `command` on one line, at most [`LONGEST_COMMAND`] characters of it.
fn shortened(command: &str) -> String {
    let one_line = command.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut text: String = one_line.clone().take(LONGEST_COMMAND).collect();
    if one_line.count() > LONGEST_COMMAND {
        text.pop();
        text.push('…');
    }
    text
}

/// This process, in words.
fn owner() -> String {
    let program = shortened(&provenance::command_line());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME")).ok())
        .map_or_else(String::new, |host| format!(" on {}", host.trim()));
    let (pid, since) = (std::process::id(), provenance::now());
    format!("process {pid}{host} (`{program}`, since {since})\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_has_the_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = FolderLock::acquire(folder.path()).expect("nobody has it");
        let error = FolderLock::acquire(folder.path()).expect_err("it is taken").to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        FolderLock::acquire(folder.path()).expect("it is free again");
    }

    #[test]
    fn a_command_line_is_told_whole_unless_it_is_long() {
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
