//! `twinprop schema`.

use crate::Error;
use crate::experiment::recipe::recipe_schema;
use crate::view::terminal;

/// Prints the schema.
pub fn run() -> Result<(), Error> {
    terminal::out(recipe_schema().as_bytes());
    Ok(())
}
