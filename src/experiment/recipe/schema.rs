//! The recipe as a JSON Schema, so that editors complete and check it.

use schemars::schema_for;

use super::Recipe;

/// JSON Schema (draft 2020-12) of a recipe, as text.
///
/// # Panics
/// Never: a schema is plain data.
#[must_use]
pub fn recipe_schema() -> String {
    let schema = schema_for!(Recipe);
    serde_json::to_string_pretty(&schema).expect("a schema is plain data") + "\n"
}
