//! `twinprop schema`.

use twinprop::Error;
use twinprop::experiment::recipe_schema;

/// Prints the schema.
pub fn run() -> Result<(), Error> {
    print!("{}", recipe_schema());
    Ok(())
}
