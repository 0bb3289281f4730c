//! Files that are whole or absent, whenever the program or the machine stops.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to `path` whole or not at all: aside, synced, renamed over what was there.
///
/// # Errors
/// Whatever the system answers.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut aside = tempfile::Builder::new();
    // A temporary file is its owner's alone; a result is for whom the umask lets read it.
    #[cfg(unix)]
    aside.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = aside.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_folder(folder)
}

/// Makes what was renamed in `folder` outlive a crash.
///
/// # Errors
/// Whatever the system answers.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows syncs no folders, and opens none.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
