//! `twinprop new`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use twinprop::Error;
use twinprop::devices::write_whole;

/// Arguments of `new`.
#[derive(Args)]
pub struct New {
    /// The folder, which must not hold anything yet.
    folder: PathBuf,
}

/// What the folder gets. The rig is the example that the tests run.
const FILES: [(&str, &str); 5] = [
    ("recipe.toml", include_str!("recipe.toml")),
    ("rig.toml", include_str!("rig.toml")),
    ("rig.py", include_str!("../../../python/example_rig.py")),
    ("twinprop_rig.py", include_str!("../../../python/twinprop_rig.py")),
    ("README.md", include_str!("README.md")),
];

/// Makes the folder and says what to do in it.
pub fn run(New { folder }: &New) -> Result<(), Error> {
    make(folder)?;
    println!("{} is ready: cd {0} && twinprop train recipe.toml", folder.display());
    Ok(())
}

fn make(folder: &Path) -> Result<(), Error> {
    let advice = "name a folder that can be made";
    fs::create_dir_all(folder).map_err(Error::file(folder, advice))?;
    let mut entries = fs::read_dir(folder).map_err(Error::file(folder, advice))?;
    if entries.next().is_some() {
        return Err(Error::Usage(format!(
            "{} holds something already; name a folder that is new, or empty",
            folder.display()
        )));
    }
    for (name, text) in FILES {
        let path = folder.join(name);
        write_whole(&path, text.as_bytes()).map_err(Error::file(&path, advice))?;
    }
    Ok(())
}
