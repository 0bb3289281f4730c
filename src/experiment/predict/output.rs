//! The file that a network's answers are written to.

use std::path::Path;

use twinprop_devices::write_whole;

use crate::Error;

/// Refuses a file of answers that cannot be written, or that is the samples' own.
pub(super) fn refuse(out: &Path, data: &Path) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::Usage(format!("option `out` {}: {why}", out.display())));
    if out.is_dir() {
        return refuse("it is a folder; name a file in it");
    }
    if let (Ok(out), Ok(data)) = (out.canonicalize(), data.canonicalize())
        && out == data
    {
        return refuse("these are the samples; name another file");
    }
    if is_special(out) {
        return Ok(());
    }
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return refuse(&format!("there is no folder {}; make it first", folder.display()));
    }
    tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
        .map_err(Error::file(out, WRITABLE))?;
    Ok(())
}

const WRITABLE: &str =
    "name a file that can be written, in a folder that is there, with option `out`";

/// Whether `out` is there and no file: a pipe or a device, which nothing must take the place of.
fn is_special(out: &Path) -> bool {
    std::fs::metadata(out).is_ok_and(|known| !known.is_file())
}

/// Writes `text` to the file `out`, whole or not at all.
///
/// # Errors
/// [`Error::File`] where it cannot be written.
pub(super) fn write(out: &Path, text: &str) -> Result<(), Error> {
    let written = if is_special(out) {
        std::fs::write(out, text)
    } else {
        // A link stays one.
        let place = out.canonicalize().unwrap_or_else(|_| out.to_owned());
        write_whole(&place, text.as_bytes())
    };
    written.map_err(Error::file(out, WRITABLE))
}
