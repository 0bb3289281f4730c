//! Files that are whole or absent, whenever the program or the machine stops.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes `bytes` to `path` whole or not at all: to a temporary file beside it, which is synced and
/// renamed over what was there.
///
/// # Errors
/// Whatever the system answers.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let (temporary, file) = create_beside(folder)?;
    let written = write_and_sync(file, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // What remains of the temporary file does no harm.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder(folder)
}

/// A new file in `folder` of a name that no other file, thread or process has.
fn create_beside(folder: &Path) -> io::Result<(PathBuf, File)> {
    static FILES: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let name = OsString::from(format!(".tmp-{}-{number}", process::id()));
        let path = folder.join(name);
        match File::create_new(&path) {
            // Left behind by an earlier process of this number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return Ok((path, created?)),
        }
    }
}

fn write_and_sync(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Syncs `folder`, so that a renamed file survives a crash.
///
/// # Errors
/// Whatever the system answers.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows syncs no folders, and opens none.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = std::env::temp_dir().join(format!("twinprop-whole-file-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("results.json");
        write_whole(&path, b"first").unwrap();
        write_whole(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        // A folder cannot be replaced by a file.
        fs::create_dir_all(folder.join("taken/inside")).unwrap();
        write_whole(&folder.join("taken"), b"third").unwrap_err();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(&folder).unwrap();
    }
}
