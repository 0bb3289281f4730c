//! `twinprop new`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::Error;
use crate::devices::write_whole;
use crate::experiment::recipe::recipe_schema;
use crate::outln;

/// Arguments of `new`.
#[derive(Args)]
pub struct New {
    /// The folder, which must be new or empty.
    folder: PathBuf,
}

/// The recipe of the example rig, which is in the same folder.
const RIG_RECIPE: &str = include_str!("../../../experiments/vowels-rig.toml");
/// File of the recipes' schema, named on their first line.
const SCHEMA: &str = "recipe.schema.json";
/// The other files of the folder.
const FILES: [(&str, &str); 4] = [
    ("recipe.toml", include_str!("recipe.toml")),
    ("rig.py", include_str!("../../../python/example_rig.py")),
    ("twinprop_rig.py", include_str!("../../../python/twinprop_rig.py")),
    ("README.md", include_str!("README.md")),
];

/// Makes the folder and prints the next command.
pub fn run(New { folder }: &New) -> Result<(), Error> {
    create(folder)?;
    outln!("{} is ready: cd {0} && twinprop train recipe.toml", folder.display());
    Ok(())
}

fn create(folder: &Path) -> Result<(), Error> {
    let advice = "name a folder that can be created";
    fs::create_dir_all(folder).map_err(Error::file(folder, advice))?;
    let mut entries = fs::read_dir(folder).map_err(Error::file(folder, advice))?;
    if entries.next().is_some() {
        return Err(Error::Usage(format!(
            "{} is not empty; name a new or empty folder",
            folder.display()
        )));
    }
    let schema = recipe_schema();
    let rig_recipe = format!("#:schema {SCHEMA}\n{RIG_RECIPE}")
        .replace("experiments/vowels-rig.toml", "rig.toml")
        .replace("python/example_rig.py", "rig.py");
    for (name, text) in
        FILES.into_iter().chain([("rig.toml", rig_recipe.as_str()), (SCHEMA, &schema)])
    {
        let path = folder.join(name);
        write_whole(&path, text.as_bytes()).map_err(Error::file(&path, advice))?;
    }
    Ok(())
}
