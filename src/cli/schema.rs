//! `twinprop schema`.

use twinprop::Error;
use twinprop::experiment::recipe::recipe_schema;
use twinprop::view::terminal;

/// Prints the schema.
pub fn run() -> Result<(), Error> {
    terminal::out(recipe_schema().as_bytes());
    Ok(())
}
